"""What a sale costs beside the ordinary days of its month."""

from decimal import Decimal

import pytest

from load.model import Environments, Shop, load_prices, plan, predict
from load.model.costs import Arm
from load.model.formulas import invocation_batch
from load.model.month import MonthCost
from load.model.planner import Plan
from load.model.tests.loads import evenly


def cost(found: Plan, arm: Arm) -> MonthCost:
    return next(one for one in found.costs if one.arm == arm)


def test_the_tasks_of_a_sale_are_paid_for_its_hours_and_not_for_the_month() -> None:
    found = plan(rate=5000, payment=3, wait=60, burst=3600, orders_per_month=18_100_000)
    lines = {line.item: line.formula for line in cost(found, "ecs").month.lines}
    assert lines["processor tasks"].startswith("1 × 730 h")
    # 149 in the sale, one of which runs anyhow; ten minutes before it and 45 s after it
    assert lines["processor tasks of the sale"].startswith("148 × 1.17")
    # 5,000 ÷ (0.25 × 2,400 × 50 %) = 17, of which two run anyhow
    assert found.api_tasks == 17
    assert lines["API tasks of the sale"].startswith("15 × 1.17")
    assert cost(found, "ecs").ordinary.orders == 100_000
    assert cost(found, "ecs").sale < 130


def test_a_months_bill_is_its_ordinary_days_and_its_sale() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=600, orders_per_month=2_000_000)
    for arm in found.costs:
        assert arm.ordinary.total + arm.sale == arm.month.total
        assert arm.sale > 0
        assert sum((line.amount for line in arm.month.lines), Decimal(0)) == arm.month.total


def test_more_orders_on_ordinary_days_take_more_tasks_all_month() -> None:
    busy = plan(rate=60, payment=3, wait=60, burst=3600, workers_per_task=20, orders_per_month=20_216_000)
    lines = {line.item: line.formula for line in cost(busy, "ecs").month.lines}
    # 20,000,000 orders × 3.015 s ÷ (20 × 2,628,000 s) = 1.15
    assert lines["processor tasks"].startswith("2 × 730 h")
    assert lines["processor tasks of the sale"].startswith("7 × ")


def test_synchronous_orders_are_priced_by_what_is_confirmed_in_the_sale_and_beside_it() -> None:
    found = plan(rate=60, payment=3, wait=3600, burst=600, gateway_capacity=60, orders_per_month=136_000)
    # 20 of 60 orders/s are paid in the sale, all 100,000 of the ordinary days
    assert float(cost(found, "sync").month.confirmed_orders) == pytest.approx(100_000 + 36_000 / 3, rel=1e-5)
    assert cost(found, "ecs").month.confirmed_orders == 136_000
    assert cost(found, "sync").ordinary.confirmed_orders == 100_000


def test_functions_behind_the_queue_are_priced_by_the_batches_of_each_rate() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600, orders_per_month=1_216_000)
    month = found.month
    # 181 orders in service, 20 invocations
    assert month.batch(60) == pytest.approx(60 * 3.015 / 20)
    assert month.batch(month.ordinary_rate) == 1
    lines = {line.item: line for line in cost(found, "lambda-sqs").month.lines}
    invocations = 1_000_000 + 216_000 / month.batch(60)
    price = load_prices().price
    requests = next(amount for key, amount in price.items() if key == "lambda.million_requests").amount
    assert lines["function requests"].amount == pytest.approx(
        max(Decimal(0), Decimal(invocations) - 1_000_000) / 1_000_000 * requests, rel=Decimal("1e-3")
    )


@pytest.mark.parametrize("rate", [0.5, 4.0, 8.0])
def test_the_batch_of_a_rate_is_that_of_a_simulated_function(rate: float) -> None:
    shop = Shop(
        mode="async",
        accept_seconds=0,
        delivery_seconds=0,
        consumer=Environments(concurrency=3, warm=3, batch_size=10, overhead_seconds=0),
    )
    found = predict(evenly(rate=rate, seconds=600), shop, replications=1)
    # half a GB for 3 s an invocation
    invocations = found.billed_gb_seconds / 1.5
    assert found.accepted / invocations == pytest.approx(invocation_batch(rate=rate, service=3, places=30), rel=0.05)


def test_a_batch_has_no_more_orders_than_a_message_poller_takes() -> None:
    assert invocation_batch(rate=1000, service=3, places=30) == 10
    assert invocation_batch(rate=0, service=3, places=5) == 1
