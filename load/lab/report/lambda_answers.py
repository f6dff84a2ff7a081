"""Questions 5 and 6: cold starts, and whether to switch to Lambda."""

from decimal import Decimal

from load.lab import words
from load.lab.report.answers import Answer, Table
from load.lab.results import Results, RunResult
from load.lab.scenario import Arm
from load.model import Assumptions, Prices, break_even, seed_comparison

COLD = "How often do cold starts happen, how long are they, and do they matter beside the payment?"
SWITCH = "Would you switch to Lambda?"


def lambda_runs(results: Results) -> list[RunResult]:
    """The runs with functions."""
    return [run for run in results.runs if run.scenario.arm in {Arm.LAMBDA, Arm.LAMBDA_SQS}]


def cold_answer(results: Results) -> Answer | None:
    """Cold starts, told apart from warm ones."""
    runs = lambda_runs(results)
    if not runs:
        return None
    rows, paragraphs = [], []
    for run in runs:
        figures, cold = run.figures, run.figures.cold_start_seconds
        for phase in figures.phases:
            confirmation = phase.confirmation
            rows.append(
                (
                    f"{run.scenario.name}: {phase.name}",
                    words.count(phase.accepted),
                    words.several(confirmation.p50, confirmation.max) if confirmation else words.NOTHING,
                )
            )
        if cold is not None:
            payment = run.scenario.payment_seconds
            paragraphs.append(
                f"{run.scenario.name}: {figures.cold_starts} cold starts for {figures.accepted} orders, each"
                f" {words.seconds(cold.p50)} (median; longest {words.seconds(cold.max)}). Beside a payment of"
                f" {words.seconds(payment)} the median is {100 * cold.p50 / payment:.0f} % more, once per environment."
            )
    paragraphs.append(
        "A cold start happens whenever more payments are in progress than environments exist: a 3 s payment holds its"
        " environment for 3 s, so a burst of n orders at once starts up to n of them. On this machine all of"
        " them start on"
        " the same few cores, which makes bursts look worse than on AWS, where each environment has its own"
        " share of CPU."
    )
    table = Table(caption="Bursts", heads=("burst", "orders", "confirmation, p50 / longest"), rows=rows)
    return Answer(id="cold", question=COLD, paragraphs=paragraphs, tables=[table])


def measured_assumptions(results: Results) -> Assumptions:
    """The price model's assumptions, with what these runs measured in place of its own."""
    starts = [run for run in lambda_runs(results) if run.figures.cold_start_seconds is not None]
    cold = min((run.figures.cold_start_seconds.p50 for run in starts if run.figures.cold_start_seconds), default=None)
    if cold is None:
        return Assumptions()
    return Assumptions(init_seconds=Decimal(str(round(min(cold, 10.0), 3))))


def switch_answer(results: Results, prices: Prices) -> Answer:
    """The paragraph that the course asks for."""
    assumed = measured_assumptions(results)
    even = break_even("lambda", "ecs", prices, assumed)
    seed = seed_comparison(prices)
    orders = f"{even.orders:,}" if even.orders is not None else "any number of"
    return Answer(
        id="switch",
        question=SWITCH,
        paragraphs=[
            (
                f"Below about {orders} orders a month, yes: Lambda costs less than a processor task that runs all"
                " month, there"
                " is no worker count to plan, and a cold start adds little to a payment of three seconds. Above it,"
                " no: Lambda"
                " bills every second of waiting for the provider, once per order, while one task waits for a hundred"
                " payments"
                " at the same time. Keep the queue in between in either case: straight from the topic, nothing holds"
                " back a"
                " burst but the account's concurrency limit, and the provider's capacity is not asked at all."
            ),
            (
                f"The course compares two tasks ({seed.fixed} $ a month) with Lambda's free tier of"
                f" {float(seed.free_orders):,.0f} orders ({seed.free_orders_formula}). The free tier is not the"
                " break-even: at the"
                f" same prices that is at {float(seed.break_even):,.0f} orders ({seed.break_even_formula}), and"
                f" {float(seed.break_even_without_free_tier):,.0f} without the free tier. Left out in both:"
                f" {seed.left_out}."
            ),
        ],
    )
