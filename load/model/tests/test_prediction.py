"""Scenarios whose outcome can be computed by hand."""

import dataclasses

import pytest

from load.model import Burst, Environments, Shop, Slots, deviation, predict
from load.model.tests.loads import evenly, poisson, shoppers

FLASH = shoppers(users=20, seconds=60)


def test_closed_loop_acceptance_follows_littles_law() -> None:
    found = predict(FLASH, Shop(mode="async", accept_seconds=0.05, consumer=Slots(workers=20)))
    assert found.accepted_per_second == pytest.approx(20 / 0.35, rel=0.02)
    assert found.formulas[0].value == pytest.approx(20 / 0.35)


@pytest.mark.parametrize(("capacity", "throughput"), [(1, 1 / 3), (5, 5 / 3), (0, 20 / 3.32)])
def test_the_formulas_of_a_synchronous_sale(capacity: int, throughput: float) -> None:
    found = predict(FLASH, Shop(mode="sync", gateway_capacity=capacity), replications=1)
    by_name = {formula.name: formula.value for formula in found.formulas}
    assert by_name["greatest throughput"] == pytest.approx(throughput)
    assert by_name["mean response at that throughput"] == pytest.approx(20 / throughput - 0.3)
    assert by_name.get("payments that fit into the phase", 0) == 19 * capacity


@pytest.mark.parametrize("workers", [1, 5, 20, 100])
def test_backlog_and_drain_agree_with_the_fluid_limit(workers: int) -> None:
    found = predict(evenly(rate=60, seconds=60), Shop(mode="async", consumer=Slots(workers=workers)))
    by_name = {formula.name: formula.value for formula in found.formulas}
    assert deviation(predicted=by_name["peak backlog"], measured=found.peak_backlog) < 0.10
    assert deviation(predicted=by_name["drain"], measured=found.drain_seconds) < 0.10
    assert found.settle_capacity_per_second == pytest.approx(workers / 3.015)
    assert found.backlog_curve[-1][1] == 0


def test_a_gateway_capacity_below_the_slots_decides_the_rate() -> None:
    shop = Shop(mode="async", gateway_capacity=5, consumer=Slots(workers=100))
    found = predict(evenly(rate=10, seconds=60), shop)
    assert found.settle_capacity_per_second == pytest.approx(5 / 3)
    assert found.settled_per_second == pytest.approx(5 / 3, rel=0.03)


def test_a_constant_load_below_capacity_never_waits_but_a_poisson_one_does() -> None:
    shop = Shop(mode="async", consumer=Slots(workers=20, overhead_seconds=0.0))
    even = predict(evenly(rate=6, seconds=300), shop)
    random = predict(poisson(rate=6, seconds=300), shop)
    assert even.confirmation_wait is not None
    assert even.confirmation_wait.max == pytest.approx(3.07)
    assert random.confirmation_wait is not None
    assert random.confirmation_wait.mean > even.confirmation_wait.mean


def test_a_long_poisson_load_waits_as_allen_cunneen_says() -> None:
    shop = Shop(mode="async", delivery_seconds=0.0, accept_seconds=0.0, consumer=Slots(workers=5, overhead_seconds=0.0))
    found = predict(poisson(rate=1.4, seconds=100_000), shop, replications=1)
    (wait,) = (formula.value for formula in found.formulas if formula.name == "mean wait for a slot")
    assert found.confirmation_wait is not None
    assert found.confirmation_wait.mean - 3.0 == pytest.approx(wait, rel=0.10)
    (most,) = (formula.value for formula in found.formulas if "95 %" in formula.name)
    assert found.confirmation_wait.p95 - 3.0 < most


def test_a_protected_shop_refuses_early_whom_it_cannot_settle() -> None:
    shop = Shop(mode="sync", gateway_capacity=1, sync_limit=10, sync_wait_seconds=1)
    found = predict(FLASH, shop)
    assert found.rejected > found.accepted > 0
    assert found.accept_wait is not None
    assert found.accept_wait.p50 == pytest.approx(1.0)
    assert found.charged_after_refusal == 0


def test_the_deadline_counts_from_the_request_and_is_a_503() -> None:
    shop = Shop(mode="sync", gateway_capacity=1, admission_timeout_seconds=0, sync_deadline_seconds=5)
    found = predict(Burst(orders=3), shop, replications=1)
    # one is paid at 3 s; what is being paid when its deadline passes, and what waits for that, is charged all the same
    assert (found.accepted, found.rejected, found.charged_after_refusal) == (1, 2, 2)
    assert found.accept_wait is not None
    assert found.accept_wait.max == 5


def test_a_late_settlement_keeps_its_place_in_the_limiter() -> None:
    shop = Shop(mode="sync", sync_limit=1, sync_wait_seconds=2.5, sync_deadline_seconds=1)
    found = predict(Burst(orders=2), shop, replications=1)
    # the first is late after 1 s but pays until 3 s; the second is turned away at the gate after 2.5 s
    assert (found.accepted, found.rejected, found.charged_after_refusal) == (0, 2, 1)
    assert found.accept_wait is not None
    assert found.accept_wait.max == 2.5


def test_workers_set_by_hand_change_the_slope() -> None:
    shop = Shop(mode="async", consumer=Slots(workers=0, overhead_seconds=0.0, schedule=((30.0, 30), (60.0, 0))))
    found = predict(evenly(rate=10, seconds=60), shop, replications=1)
    curve = dict(found.backlog_curve)
    # ten rounds of 30 payments begin at 30, 33, … 57 s; the last ones finish although their workers are taken away
    assert curve[30] == 300
    assert curve[60] == 300
    assert found.drain_seconds == float("inf")


def test_a_burst_on_cold_functions_starts_one_for_each_order() -> None:
    shop = Shop(mode="async", consumer=Environments(init_seconds=0.5, overhead_seconds=0.02))
    found = predict(Burst(orders=10), shop, replications=1)
    assert found.cold_starts == 10
    assert found.billed_gb_seconds == pytest.approx(10 * 3.52 * 0.5)
    assert found.confirmation_wait is not None
    assert found.confirmation_wait.max == pytest.approx(0.02 + 0.05 + 3.52)


def test_warm_functions_do_not_initialise() -> None:
    found = predict(Burst(orders=10), Shop(mode="async", consumer=Environments(warm=10)), replications=1)
    assert found.cold_starts == 0
    assert found.billed_gb_seconds == pytest.approx(10 * 3.02 * 0.5)


def test_a_batch_shares_one_cold_start_and_one_bill() -> None:
    found = predict(Burst(orders=10), Shop(mode="async", consumer=Environments(batch_size=10)), replications=1)
    assert found.cold_starts == 1
    assert found.billed_gb_seconds == pytest.approx(3.52 * 0.5)


def test_concurrency_bounds_the_environments() -> None:
    found = predict(Burst(orders=4), Shop(mode="async", consumer=Environments(concurrency=2)), replications=1)
    assert found.cold_starts == 2
    assert found.confirmation_wait is not None
    assert found.confirmation_wait.max == pytest.approx(0.07 + 3.52 + 3.02)


def test_the_same_seed_gives_the_same_prediction_and_another_seed_another() -> None:
    shop = Shop(mode="async", consumer=Slots(workers=5))
    first, second = predict(FLASH, shop, replications=1), predict(FLASH, shop, replications=1)
    assert first == second
    assert predict(FLASH, shop, replications=1, seed=2).offered != first.offered


def test_repetitions_differ_and_the_spread_says_by_how_much() -> None:
    found = predict(FLASH, Shop(mode="async", consumer=Slots(workers=100)), replications=3)
    least, greatest = found.spread["accepted"]
    assert least < found.accepted < greatest


def test_a_queue_without_a_consumer_is_refused() -> None:
    with pytest.raises(ValueError, match="consumer"):
        Shop(mode="async")


def test_deviation_is_relative_to_the_prediction() -> None:
    assert deviation(predicted=100, measured=111) == pytest.approx(0.11)
    assert deviation(predicted=0, measured=0) == 0
    assert deviation(predicted=0, measured=1) == float("inf")


def test_users_appear_as_locust_spawns_them() -> None:
    assert shoppers(users=3, seconds=30, spawn=1).spawn_times() == (0, 1, 2)
    assert shoppers(users=12, seconds=30, spawn=10).spawn_times() == (0.0,) * 10 + (1.0,) * 2
    assert shoppers(users=2, seconds=30, spawn=0.5).spawn_times() == (0, 2)


def test_the_phase_before_goes_on_and_only_what_falls_into_the_phase_is_counted() -> None:
    calm = shoppers(users=5, seconds=30, spawn=1)
    rush = shoppers(users=20, seconds=60, spawn=10, before=calm)
    shop = Shop(mode="sync", payment_seconds=3.0, gateway_capacity=5, admission_timeout_seconds=30.0)
    found = predict(rush, shop, seed=1, replications=3)
    # five payments at a time are going on when the rush begins, so none of its 60 s is lost to a start
    assert found.accepted == pytest.approx(100, abs=1)
    assert found.accepted_per_second == pytest.approx(5 / 3, rel=0.01)
    alone = predict(dataclasses.replace(rush, before=None), shop, seed=1, replications=3)
    assert alone.accepted < found.accepted
    assert rush.spawn_times()[:6] == (-30, -29, -28, -27, -26, 0)
