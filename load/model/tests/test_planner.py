"""The planner against a simulation of the sale it planned."""

from typing import Any

import pytest

from load.model import PlanError, Shop, Slots, plan, predict, replay_schedule
from load.model.tests.loads import evenly


def test_the_issues_own_sale() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600, overhead=0)
    assert (found.workers_needed, found.workers_to_keep_up) == (178, 180)
    assert (found.tasks, found.workers) == (2, 200)
    assert found.last_wait <= 60
    assert found.backlog_per_task_target == 60 // 3 * 100
    assert found.template.max_tasks == 2
    assert found.template.notes == ()


def test_one_worker_less_breaks_the_wait() -> None:
    sale = evenly(rate=5, seconds=120)
    found = plan(rate=5, payment=3, wait=30, burst=120, overhead=0)

    def worst(workers: int) -> float:
        shop = Shop(
            mode="async", accept_seconds=0, delivery_seconds=0, consumer=Slots(workers=workers, overhead_seconds=0)
        )
        wait = predict(sale, shop, replications=1).confirmation_wait
        assert wait is not None
        return wait.max

    assert worst(found.workers_needed) <= 30 < worst(found.workers_needed - 1)
    assert found.last_wait == pytest.approx(worst(found.workers)) == 3


@pytest.mark.parametrize(("rate", "wait"), [(5.0, 30.0), (5.0, 300.0), (2.5, 3.0), (0.1, 4.0), (1.0, 3.0)])
def test_peak_backlog_and_drain_are_those_of_the_simulated_sale(rate: float, wait: float) -> None:
    found = plan(rate=rate, payment=3, wait=wait, burst=120, overhead=0, workers_per_task=1)
    arrivals = [number / rate for number in range(round(rate * 120))]
    run = replay_schedule(arrivals, [(0, found.workers)], payment_seconds=3, overhead_seconds=0, horizon_seconds=600)
    assert run.worst_wait == pytest.approx(found.last_wait)
    at_last = sum(end > arrivals[-1] + 1e-9 for end in _ends(arrivals, found.workers))
    assert found.peak_backlog == at_last
    assert run.drained_at is not None
    assert found.drain == pytest.approx(max(0.0, run.drained_at - 120))


def _ends(arrivals: list[float], workers: int) -> list[float]:
    ends: list[float] = []
    for number, arrival in enumerate(arrivals):
        ends.append(max(arrival, ends[number - workers] if number >= workers else 0.0) + 3)
    return ends


def test_a_gateway_that_is_too_small_is_named() -> None:
    with pytest.raises(PlanError, match="no number of workers") as refused:
        plan(rate=60, payment=3, wait=60, burst=3600, gateway_capacity=100)
    assert refused.value.parameter == "gateway_capacity"


def test_the_template_never_gets_more_slots_than_the_gateway_serves() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600, gateway_capacity=400)
    assert dict(found.template.parameters)["GatewayCapacity"] == 200
    assert found.template.max_tasks * 100 <= 400


def test_what_the_template_cannot_hold_is_noted() -> None:
    found = plan(rate=60, payment=20, wait=5000, burst=3600, workers_per_task=30)
    assert dict(found.template.parameters) == {
        "Workers": 20,
        "GatewayCapacity": 500,
        "SyncPayments": 0,
        "PaymentSeconds": 14,
        "AcceptableWaitSeconds": 3600,
        "PreScale": "true",
    }
    assert [note.split(":")[0] for note in found.template.notes] == [
        "Workers",
        "GatewayCapacity",
        "PaymentSeconds",
        "AcceptableWaitSeconds",
    ]
    small = plan(rate=60, payment=3, wait=60, burst=3600, gateway_capacity=190)
    assert small.template.notes[0].startswith("GatewayCapacity")


@pytest.mark.parametrize(
    ("changed", "parameter"),
    [
        ({"rate": 0.0}, "rate"),
        ({"payment": float("nan")}, "payment"),
        ({"burst": float("inf")}, "burst"),
        ({"wait": 2.9}, "wait"),
        ({"overhead": -1.0}, "overhead"),
        ({"rate": 1e9}, "rate"),
        ({"rate": 1e6, "burst": 1e6}, "rate"),  # more workers than anybody has
        ({"payment": 1e6, "wait": 2e6}, "payment"),
        ({"wait": 1e300}, "wait"),
        ({"burst": 1e300}, "burst"),
        ({"overhead": 1e5, "wait": 2e5}, "overhead"),
    ],
)
def test_an_argument_out_of_range_is_named(changed: dict[str, float], parameter: str) -> None:
    arguments = {"rate": 60.0, "payment": 3.0, "wait": 60.0, "burst": 3600.0, **changed}
    with pytest.raises(PlanError) as refused:
        plan(
            rate=arguments["rate"],
            payment=arguments["payment"],
            wait=arguments["wait"],
            burst=arguments["burst"],
            overhead=arguments.get("overhead", 0.0),
        )
    assert refused.value.parameter == parameter


def test_starting_from_one_task_shows_why_a_sale_is_scaled_beforehand() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600)
    assert found.unscaled is not None
    assert found.unscaled.worst_wait > 60
    assert found.last_wait < 60


def test_a_payment_of_part_of_a_second_is_rounded_up_for_the_template() -> None:
    found = plan(rate=2, payment=2.5, wait=60.9, burst=60)
    assert dict(found.template.parameters)["PaymentSeconds"] == 3
    assert dict(found.template.parameters)["AcceptableWaitSeconds"] == 60


def test_the_smaller_figures_of_a_plan() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600, overhead=0, orders_per_month=300_000)
    assert found.settle_rate == pytest.approx(200 / 3)
    assert {(cost.month.orders, cost.ordinary.orders) for cost in found.costs} == {(300_000, 84_000)}
    assert plan(rate=60, payment=3, wait=60, burst=3600).month.orders == 216_000
    with pytest.raises(PlanError, match="the sale alone has 216,000"):
        plan(rate=60, payment=3, wait=60, burst=3600, orders_per_month=215_999)


def test_a_small_gateway_decides_the_wait_of_the_plan() -> None:
    found = plan(rate=5, payment=3, wait=300, burst=120, overhead=0, workers_per_task=20, gateway_capacity=10)
    assert found.settle_rate == pytest.approx(10 / 3)
    # 600 orders, 59 whole rounds of ten before the last: 59 × (3 - 10/5) + 3
    assert found.last_wait == pytest.approx(62)


def test_a_sale_that_one_task_cannot_begin_is_scaled_beforehand() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600)
    assert found.template.overrides()[-1] == "PreScale=true"
    assert found.template.first_tasks == found.template.max_tasks == 2


@pytest.mark.parametrize(
    "sale",
    [
        {"rate": 5.0, "wait": 60.0, "burst": 600.0},  # one task is enough
        {"rate": 60.0, "wait": 600.0, "burst": 7200.0},  # autoscaling is quick enough
    ],
)
def test_a_sale_that_can_begin_with_one_task_says_so(sale: dict[str, Any]) -> None:
    found = plan(payment=3, **sale)
    assert found.unscaled is not None
    assert found.unscaled.worst_wait <= sale["wait"]
    assert found.template.overrides()[-1] == "PreScale=false"
    assert found.template.first_tasks == 1


@pytest.mark.parametrize(
    "sale",
    [
        {"rate": 60.0, "burst": 20_000.0},  # too many orders to simulate
        {"rate": 40.0, "burst": 22_000.0},  # too long to be simulated second by second
        {"rate": 60.0, "burst": 3600.0, "gateway_capacity": 200},
    ],
)
def test_what_could_not_be_simulated_is_scaled_beforehand(sale: dict[str, Any]) -> None:
    found = plan(payment=3, wait=60, **sale)
    assert found.unscaled is None
    assert found.template.begins_scaled


def test_the_simulation_lasts_as_long_as_somebody_may_wait() -> None:
    found = plan(rate=20, payment=3, wait=900, burst=100, workers_per_task=5)
    assert found.workers_needed > 5
    assert found.unscaled is not None
    assert found.unscaled.drained_at is not None
    assert 200 < found.unscaled.drained_at < 100 + 900
    assert found.template.begins_scaled == (found.unscaled.worst_wait > 900)


def test_a_line_that_outlasts_every_acceptable_wait_is_scaled_beforehand() -> None:
    found = plan(rate=600, payment=3, wait=60, burst=600)
    assert found.unscaled is not None
    assert found.unscaled.drained_at is None
    assert found.template.begins_scaled


def test_what_the_template_holds_is_counted_with_its_own_slots() -> None:
    found = plan(rate=600, payment=3, wait=60, burst=600)
    assert (found.tasks, found.template.max_tasks, found.template.workers) == (17, 5, 500)
    assert not found.template_holds
    assert found.last_wait <= 60 < found.template_last_wait
    # 360,000 orders: 719 whole rounds of 500 before the last one
    assert found.template_last_wait == pytest.approx(719 * (3.015 - 500 / 600) + 3.015)


def test_a_step_below_the_gateways_capacity_may_not_hold_the_sale() -> None:
    assert not plan(rate=60, payment=3, wait=60, burst=3600, gateway_capacity=190).template_holds
    assert plan(rate=60, payment=3, wait=60, burst=3600, gateway_capacity=200).template_holds


def test_a_capacity_that_the_workers_do_not_divide_counts_whole_tasks() -> None:
    found = plan(rate=15, payment=3, wait=60, burst=3600, gateway_capacity=60)
    assert (found.template.gateway_capacity, found.template.workers, found.workers_needed) == (50, 40, 45)
    assert not found.template_holds
    assert "the template's 50 feeds 2 × 20 workers" in " ".join(found.template.notes)
    assert plan(rate=15, payment=3, wait=60, burst=3600, gateway_capacity=60, workers_per_task=5).template_holds


def test_a_month_is_planned_without_simulating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("load.model.beginning.simulate_autoscaling", pytest.fail)
    found = plan(rate=0.1, payment=3, wait=60, burst=2_592_000)
    assert (found.workers_needed, found.tasks) == (1, 1)
    assert found.template.overrides()[-1] == "PreScale=false"
