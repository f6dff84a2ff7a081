"""Limited stock: the honest run is valid, every tampered one is caught, the oversold one above all."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from load.analysis.checks import validate
from load.analysis.results import result
from load.records import LIMIT_REACHED, Request, RunRecords, StockSample
from load.scenario import Arm, Arrivals, Phase, Scenario
from load.tests.synthetic import synthetic_run

Tamper = Callable[[RunRecords], RunRecords]
PRODUCTS = ("desk-lamp", "espresso-machine")
STOCK_CHECKS = {"stock-sums", "stock-sold", "oversold", "stock-kept", "sold-out", "reserved"}


def failed(scenario: Scenario, records: RunRecords) -> set[str]:
    return {check.name for check in validate(scenario, records) if not check.ok}


def change_last(run: RunRecords, change: Callable[[StockSample], StockSample]) -> RunRecords:
    """Tamper with the counters of one product at the last sample."""
    return replace(run, stock=[*run.stock[:-1], change(run.stock[-1])])


def lose_a_unit(run: RunRecords) -> RunRecords:
    return change_last(run, lambda one: replace(one, sold=one.sold - 1))


def reserve_below_nothing(run: RunRecords) -> RunRecords:
    return change_last(run, lambda one: replace(one, reserved=-1, available=one.available + 1))


def make_more_while_selling(run: RunRecords) -> RunRecords:
    return change_last(run, lambda one: replace(one, total=one.total + 1, available=one.available + 1))


def misstate_the_total(run: RunRecords) -> RunRecords:
    return change_last(run, lambda one: replace(one, total=one.total + 1))


def drop_a_charge(run: RunRecords) -> RunRecords:
    return replace(run, charges=run.charges[1:])


def unsell(run: RunRecords) -> RunRecords:
    return change_last(run, lambda one: replace(one, sold=one.sold - 1, available=one.available + 1))


def hide_a_sample(run: RunRecords) -> RunRecords:
    return replace(run, stock=[*run.stock[:4], *run.stock[5:]])


def hide_every_counter(run: RunRecords) -> RunRecords:
    return replace(run, stock=[])


def keep_a_unit_reserved(run: RunRecords) -> RunRecords:
    return change_last(run, lambda one: replace(one, sold=one.sold - 1, reserved=one.reserved + 1))


def leave_a_unit(run: RunRecords) -> RunRecords:
    """One unit more is there and left over, in every count but the shoppers'."""
    sold = next(order for order in reversed(run.orders) if product_of(run, order.order_id) == run.stock[-1].product)
    gone = unsell(run)
    return replace(
        gone,
        requests=[one for one in run.requests if one.order_id != sold.order_id],
        orders=[one for one in run.orders if one is not sold],
        charges=[one for one in run.charges if one.order_id != sold.order_id],
    )


def product_of(run: RunRecords, order_id: str) -> str:
    return next(request.product for request in run.requests if request.order_id == order_id)


def rob_an_order(run: RunRecords) -> RunRecords:
    robbed = replace(run.orders[0], status="sold_out")
    charges = [one for one in run.charges if one.order_id != robbed.order_id]
    return replace(run, orders=[robbed, *run.orders[1:]], charges=charges)


def sell_to_who_was_refused(run: RunRecords) -> RunRecords:
    """As published: more sold than there were. The orders of some who were refused are completed and charged."""
    order, charge = run.orders[0], run.charges[0]
    refused = [request for request in run.requests if request.is_sold_out][:5]
    names = [f"ord_over_{number}" for number in range(len(refused))]
    served: Sequence[Request] = [
        replace(one, status=202, order_id=name, order_status="pending", reason="", problem="")
        for one, name in zip(refused, names, strict=True)
    ]
    return replace(
        run,
        requests=[one for one in run.requests if one not in refused] + list(served),
        orders=[*run.orders, *(replace(order, order_id=name, charge_id=f"ch_{name}") for name in names)],
        charges=[*run.charges, *(replace(charge, order_id=name, charge_id=f"ch_{name}") for name in names)],
    )


def invent_an_order(run: RunRecords) -> RunRecords:
    """An order that no shopper knows of: nobody who was told "sold out" can have placed it."""
    order = replace(run.orders[0], order_id="ord_stranger", charge_id="ch_stranger")
    charge = replace(run.charges[0], order_id="ord_stranger", charge_id="ch_stranger")
    return replace(run, orders=[*run.orders, order], charges=[*run.charges, charge])


def test_an_honest_run_is_valid_and_passes_every_check_of_stock(
    stock_scenario: Scenario, stock_run: RunRecords
) -> None:
    checks = {check.name: check for check in validate(stock_scenario, stock_run)}
    assert [check for check in checks.values() if not check.ok] == []
    assert checks.keys() >= STOCK_CHECKS
    assert checks["oversold"].detail.startswith("desk-lamp: 10 sold and 10 accepted of 10, 0 oversold")


def test_a_run_without_stock_is_not_asked_about_it(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    assert not STOCK_CHECKS & {check.name for check in validate(queue_scenario, queue_run)}


@pytest.mark.parametrize(
    ("tamper", "check"),
    [
        (lose_a_unit, "stock-sums"),
        (reserve_below_nothing, "stock-sums"),
        (make_more_while_selling, "stock-sums"),
        (misstate_the_total, "stock-sums"),
        (unsell, "stock-sums"),
        (hide_a_sample, "stock-sums"),
        (hide_every_counter, "stock-sums"),
        (hide_every_counter, "reserved"),
        (unsell, "stock-sold"),
        (hide_every_counter, "stock-sold"),
        (drop_a_charge, "stock-sold"),
        (sell_to_who_was_refused, "stock-sold"),
        (sell_to_who_was_refused, "oversold"),
        (rob_an_order, "stock-kept"),
        (invent_an_order, "conservation-always"),
        (leave_a_unit, "sold-out"),
        (keep_a_unit_reserved, "reserved"),
    ],
)
def test_a_tampered_run_is_caught(stock_scenario: Scenario, stock_run: RunRecords, tamper: Tamper, check: str) -> None:
    assert check in failed(stock_scenario, tamper(stock_run))


def test_a_run_that_sold_more_than_there_were_is_invalid_and_says_how_many(
    stock_scenario: Scenario, stock_run: RunRecords
) -> None:
    found = result(stock_scenario, sell_to_who_was_refused(stock_run))
    assert not found.valid
    assert found.figures.stock is not None
    assert (found.figures.stock.units, found.figures.stock.sold, found.figures.stock.oversold) == (30, 35, 5)


def complete_one_more(run: RunRecords) -> RunRecords:
    return replace(run, orders=[*run.orders, replace(run.orders[0], order_id="ord_more", charge_id="ch_more")])


def charge_one_more(run: RunRecords) -> RunRecords:
    return replace(run, charges=[*run.charges, replace(run.charges[0], order_id="ord_more", charge_id="ch_more")])


def count_one_more(run: RunRecords) -> RunRecords:
    return change_last(run, lambda one: replace(one, total=one.total + 1, sold=one.sold + 1))


def accept_one_more(run: RunRecords) -> RunRecords:
    told = next(one for one in run.requests if one.is_sold_out)
    accepted = replace(told, status=202, order_id="ord_more", problem="", reason="")
    return replace(run, requests=[accepted if one is told else one for one in run.requests])


@pytest.mark.parametrize("tamper", [complete_one_more, charge_one_more, count_one_more, accept_one_more])
def test_one_witness_is_enough_to_call_it_oversold(tamper: Tamper, stock_scenario: Scenario) -> None:
    scenario = stock_scenario.model_copy(update={"stock": {"espresso-machine": 30}})
    run = synthetic_run(scenario)
    assert failed(scenario, run) == set()
    assert "oversold" in failed(scenario, tamper(run))


def test_counters_that_hide_the_excess_do_not_make_it_valid(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    """A shop whose counters were raised beside the sale: they agree with everything but with what there was."""
    run = sell_to_who_was_refused(stock_run)
    more = {product: sum(one.product == product for one in run.requests if one.is_accepted) for product in PRODUCTS}
    stock = [replace(one, total=more[one.product], sold=one.sold + more[one.product] - one.total) for one in run.stock]
    assert {"stock-sums", "oversold"} <= failed(stock_scenario, replace(run, stock=stock))


def test_a_unit_that_came_back_may_be_left(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    run = leave_a_unit(stock_run)
    assert "sold-out" in failed(stock_scenario, run)
    late = next(one for one in reversed(run.requests) if one.product == run.stock[-1].product)
    timed_out = [
        replace(one, status=503, problem="", reason="Too slow") if one is late else one for one in run.requests
    ]
    assert "sold-out" not in failed(stock_scenario, replace(run, requests=timed_out))


def test_a_unit_whose_payment_was_declined_is_for_sale_again(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    product = stock_run.stock[-1].product
    order = next(one for one in reversed(stock_run.orders) if product_of(stock_run, one.order_id) == product)
    stock = [
        replace(one, sold=one.sold - 1, available=one.available + 1)
        if one.product == product and one.at >= order.completed_at
        else one
        for one in stock_run.stock
    ]
    run = replace(
        stock_run,
        stock=stock,
        orders=[replace(one, status="declined") if one is order else one for one in stock_run.orders],
        charges=[
            replace(one, status="declined") if one.order_id == order.order_id else one for one in stock_run.charges
        ],
    )
    assert run.stock[-1].available == 1
    assert failed(stock_scenario, run) == {"declines"}


def test_units_that_nobody_wanted_may_be_left(stock_scenario: Scenario) -> None:
    scenario = stock_scenario.model_copy(update={"stock": {"espresso-machine": 500}})
    run = synthetic_run(scenario)
    assert run.stock[-1].available > 0
    assert failed(scenario, run) == set()


def test_an_order_whose_shopper_does_not_know_of_it_may_hold_a_unit(
    stock_scenario: Scenario, stock_run: RunRecords
) -> None:
    run = keep_a_unit_reserved(stock_run)
    assert "reserved" in failed(stock_scenario, run)
    late = next(one for one in reversed(run.requests) if one.product == run.stock[-1].product)
    for status, order_id in ((0, ""), (503, "ord_perhaps")):
        unknown = replace(late, status=status, problem="", order_id=order_id)
        requests = [unknown if one is late else one for one in run.requests]
        assert "reserved" not in failed(stock_scenario, replace(run, requests=requests))
    refused = replace(late, status=503, problem="", order_id="")
    requests = [refused if one is late else one for one in run.requests]
    assert "reserved" in failed(stock_scenario, replace(run, requests=requests))


def test_a_run_that_is_cut_short_keeps_a_unit_for_each_order_that_is_left(stock_scenario: Scenario) -> None:
    slow = stock_scenario.model_copy(update={"workers": 1, "drain_limit_seconds": 2.0})
    run = synthetic_run(slow)
    assert run.ending.stopped_early
    assert failed(slow, run) == set()
    assert "reserved" in failed(slow, keep_a_unit_reserved(run))
    given_away = change_last(run, lambda one: replace(one, reserved=one.reserved - 1, sold=one.sold + 1))
    assert "reserved" in failed(slow, given_away)


@pytest.mark.parametrize("arm", list(Arm))
def test_every_arm_is_checked(arm: Arm, stock_scenario: Scenario) -> None:
    scenario = stock_scenario.model_copy(update={"arm": arm})
    run = synthetic_run(scenario)
    assert failed(scenario, run) == set()
    assert "oversold" in failed(scenario, sell_to_who_was_refused(run))


def test_who_reached_the_limit_lost_nothing() -> None:
    base = Request(due=1.0, sent=1.0, done=1.5, status=409, problem=LIMIT_REACHED)
    assert (base.is_lost, base.is_sold_out) == (False, False)
    assert replace(base, problem="urn:flash-sale:problem:mismatch").is_lost
    assert not replace(base, status=202, problem="", order_id="ord_a").is_lost


def test_shoppers_of_a_closed_loop_may_come_back_for_another_unit() -> None:
    scenario = Scenario(
        name="stock:closed",
        title="The same shoppers again",
        arm=Arm.ECS,
        workers=4,
        payment_seconds=0.5,
        stock={"backpack": 12},
        phases=(Phase(name="flash", arrivals=Arrivals.CLOSED, users=10, seconds=6),),
    )
    assert failed(scenario, synthetic_run(scenario)) == set()
