"""The bill: each line is what its formula says, known figures exact, the seed's comparison corrected."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Literal

import pytest

from load.model import ARMS, Arm, Assumptions, break_even, load_prices, monthly_cost, seed_comparison
from load.model.breakeven import least_reaching_zero
from load.model.costs import tasks_needed

PRICES = load_prices()


def evaluate(formula: str) -> float:
    """Compute a formula as it is printed: its words dropped, × and ÷ as operators."""
    text = re.sub(r"[$,](?=\d)|(?<=\d),", "", formula.replace("max(0, ", "max(0; "))
    text = re.sub(r"\b(?:vCPU|GB-s|GB|free|h)\b", "", text).replace("×", "*").replace("÷", "/")
    return float(eval(text.replace("max(0;", "max(0,"), {"__builtins__": {"max": max}}))  # noqa: S307 - our own text


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("free_tier", [True, False])
@pytest.mark.parametrize("orders", [0, 12_345, 3_000_000])
def test_every_line_is_what_its_formula_says(arm: Arm, free_tier: bool, orders: int) -> None:  # noqa: FBT001 - a case
    cost = monthly_cost(arm, orders, PRICES, Assumptions(free_tier=free_tier))
    for line in cost.lines:
        assert evaluate(line.formula) == pytest.approx(float(line.amount), rel=1e-6, abs=1e-6), line
    assert cost.total == sum(line.amount for line in cost.lines)
    if orders:
        assert cost.per_confirmed_order is not None
        assert evaluate(cost.formula.replace("orders", "").replace("confirmed", "")) == pytest.approx(
            float(cost.per_confirmed_order), rel=1e-4
        )
    else:
        assert cost.per_confirmed_order is None


def amount(arm: Arm, orders: int, item: str, assumptions: Assumptions | None = None) -> Decimal:
    (line,) = (line for line in monthly_cost(arm, orders, PRICES, assumptions).lines if line.item == item)
    return line.amount


def test_a_quarter_vcpu_task_costs_its_list_price() -> None:
    assumed = Assumptions(architecture="x86_64")
    assert amount("ecs", 0, "processor tasks", assumed) == 730 * (
        Decimal("0.25") * Decimal("0.04048") + Decimal("0.5") * Decimal("0.004445")
    )


def test_the_free_tier_covers_the_first_gigabyte_seconds() -> None:
    bare = Assumptions(architecture="x86_64", overhead_seconds=Decimal(0), cold_share=Decimal(0))
    assert amount("lambda", 266_666, "function duration", bare) == 0
    assert amount("lambda", 266_668, "function duration", bare) == 2 * Decimal("0.0000166667")
    paid = replace(bare, free_tier=False)
    assert amount("lambda", 1, "function duration", paid) == Decimal("1.5") * Decimal("0.0000166667")


def test_init_is_billed() -> None:
    cold = Assumptions(cold_share=Decimal(1), free_tier=False)
    warm = Assumptions(cold_share=Decimal(0), free_tier=False)
    difference = amount("lambda", 1000, "function duration", cold) - amount("lambda", 1000, "function duration", warm)
    assert difference == 1000 * Decimal("0.25") * Decimal("0.0000133334")


def test_a_batch_of_ten_pays_for_one_invocation() -> None:
    single = Assumptions(free_tier=False)
    tenth = amount("lambda-sqs", 1000, "function duration", replace(single, orders_per_invocation=Decimal(10)))
    assert tenth * 10 == amount("lambda-sqs", 1000, "function duration", single)


def with_batch(batch: str, *, free_tier: bool = False) -> Assumptions:
    return Assumptions(free_tier=free_tier, orders_per_invocation=Decimal(batch))


def computed(working: str) -> float:
    """Where a quantity comes from, its words dropped."""
    return evaluate(re.sub(r"[A-Za-z]+", "", working))


@pytest.mark.parametrize("batch", ["1", "4.2", "10", "25"])
def test_a_measured_batch_shares_invocation_and_queue_requests(batch: str) -> None:
    lines = {line.item: line for line in monthly_cost("lambda-sqs", 1000, PRICES, with_batch(batch)).lines}
    for line in lines.values():
        assert evaluate(line.formula) == pytest.approx(float(line.amount), rel=1e-6, abs=1e-6), line
    invocations = 1000 / float(batch)
    assert computed(lines["function requests"].working) == pytest.approx(invocations)
    assert computed(lines["function duration"].working) == pytest.approx(invocations * 3.02 * 0.5)
    assert float(lines["function duration"].amount) == pytest.approx(invocations * 1.51 * 0.0000133334)
    # SQS moves at most ten messages in a request, in each direction
    requests = 1000 * (1 + 2 / min(10.0, float(batch))) + 5 * 730 * 3600 / 20
    assert computed(lines["queue requests"].working) == pytest.approx(requests)
    assert float(lines["queue requests"].amount) == pytest.approx(requests * 0.4 / 1_000_000)


def test_a_batch_is_of_the_lambda_sqs_arm_alone() -> None:
    for arm in ("sync", "ecs", "lambda"):
        assert monthly_cost(arm, 1000, PRICES, with_batch("4.2")) == monthly_cost(arm, 1000, PRICES, with_batch("1"))


@pytest.mark.parametrize("free_tier", [True, False])
def test_a_batch_moves_the_break_even_of_lambda_sqs(free_tier: bool) -> None:  # noqa: FBT001 - a case
    found = [break_even("lambda-sqs", "ecs", PRICES, with_batch(b, free_tier=free_tier)) for b in ("1", "4.2", "10")]
    reached = [even.orders for even in found if even.orders is not None]
    assert len(reached) == len(found)
    assert reached == sorted(set(reached))
    for even, orders in zip(found, reached, strict=True):
        assert even.by_formula is not None
        assert orders - 1 < even.by_formula <= orders


def test_a_batch_of_less_than_one_order_is_refused() -> None:
    with pytest.raises(ValueError, match="orders_per_invocation"):
        with_batch("0.9")


def test_a_queue_bills_send_receive_delete_and_idle_polls() -> None:
    batches = Assumptions(free_tier=False, messages_per_receive=Decimal(4), messages_per_delete=Decimal(10))
    requests = 1000 * Decimal("1.35") + 5 * 730 * 3600 // 20
    assert amount("ecs", 1000, "queue requests", batches) == requests * Decimal("0.4") / 1_000_000


def test_batched_publishes_cost_a_tenth() -> None:
    batches = Assumptions(free_tier=False, orders_per_publish=Decimal(10))
    assert amount("ecs", 1000, "publishes", batches) == Decimal(100) * Decimal("0.5") / 1_000_000


def test_the_tasks_that_always_run_are_paid_even_without_orders() -> None:
    three = Assumptions(processor_tasks=3)
    assert amount("ecs", 0, "processor tasks", three) == 3 * amount("ecs", 0, "processor tasks")


def test_more_orders_than_a_task_can_settle_take_another_task() -> None:
    assumed = Assumptions(overhead_seconds=Decimal(0))
    month_of_one_task = 100 * 730 * 3600 // 3
    assert tasks_needed(month_of_one_task, assumed) == 1
    assert tasks_needed(month_of_one_task + 1, assumed) == 2


def test_unconfirmed_orders_make_the_confirmed_ones_dearer() -> None:
    all_ = monthly_cost("ecs", 1000, PRICES)
    half = monthly_cost("ecs", 1000, PRICES, Assumptions(confirmed_share=Decimal("0.5")))
    assert all_.per_confirmed_order is not None
    assert half.per_confirmed_order == all_.per_confirmed_order * 2


def test_negative_orders_are_refused() -> None:
    with pytest.raises(ValueError, match="orders"):
        monthly_cost("ecs", -1, PRICES)


def test_the_seeds_comparison_reproduced_and_corrected() -> None:
    found = seed_comparison(PRICES)
    assert found.fixed == 17
    assert round(found.free_orders) == 266_667
    assert round(found.break_even, -3) == 947_000
    assert round(found.break_even_without_free_tier, -3) == 675_000
    # at that number of orders Lambda costs the 17 dollars, exactly
    gb_seconds = found.break_even * Decimal("1.5") - 400_000
    assert gb_seconds * Decimal("0.0000166667") == pytest.approx(Decimal(17))


def test_the_seeds_comparison_pays_for_requests_beyond_a_million() -> None:
    found = seed_comparison(PRICES, task_price=Decimal(50))
    cost = (found.break_even * Decimal("1.5") - 400_000) * Decimal("0.0000166667")
    cost += (found.break_even - 1_000_000) * Decimal("0.0000002")
    assert cost == pytest.approx(Decimal(100))


@pytest.mark.parametrize("free_tier", [True, False])
@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
def test_bisection_and_formula_find_the_same_break_even(
    free_tier: bool,  # noqa: FBT001 - a case
    architecture: Literal["arm64", "x86_64"],
) -> None:
    assumed = replace(Assumptions(free_tier=free_tier), architecture=architecture)
    even = break_even("lambda", "ecs", PRICES, assumed)
    assert even.orders is not None
    assert even.by_formula is not None
    assert even.orders - 1 < even.by_formula <= even.orders
    arms: tuple[Arm, Arm] = ("lambda", "ecs")
    grows, stays = (
        [monthly_cost(arm, number, PRICES, assumed).total for number in (even.orders - 1, even.orders)] for arm in arms
    )
    assert grows[0] < stays[0]
    assert grows[1] >= stays[1]


def test_arms_that_never_meet_say_so() -> None:
    assert break_even("sync", "ecs", PRICES).orders is None
    assert break_even("ecs", "sync", PRICES).orders == 0


def test_bisection_finds_the_least_number() -> None:
    assert least_reaching_zero(lambda n: Decimal(n - 17)) == 17
    assert least_reaching_zero(lambda _: Decimal(-1)) is None
