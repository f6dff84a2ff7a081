"""Questions 5 and 6: cold starts, and whether to switch to Lambda."""

from decimal import Decimal

from load.lab import words
from load.lab.report.answers import Answer, Table
from load.lab.results import Results, RunResult
from load.lab.sampler import FUNCTIONS
from load.lab.scenario import Arm
from load.model import Assumptions, Prices, break_even, seed_comparison

COLD = "How often do cold starts happen, how long are they, and do they matter beside the payment?"
FUNCTION_GB = 0.5
SWITCH = "Would you switch to Lambda?"


def lambda_runs(results: Results) -> list[RunResult]:
    """The runs with functions."""
    return [run for run in results.runs if run.scenario.arm in {Arm.LAMBDA, Arm.LAMBDA_SQS}]


def _words(run: RunResult) -> str:
    figures, cold, payment = run.figures, run.figures.cold_start_seconds, run.scenario.payment_seconds
    first, last = figures.phases[0].confirmation, figures.phases[-1].confirmation
    said = (
        f"{run.scenario.name}: {figures.cold_starts} cold starts for {figures.accepted} orders, process start"
        " to ready in"
        f" {words.seconds(cold.p50 if cold else None)} (median; longest {words.seconds(cold.max if cold else None)})."
    )
    if first is not None and last is not None and len(figures.phases) > 1:
        said += (
            f" The very first order, alone on the machine, was ready in"
            f" {words.seconds(figures.first_cold_start_seconds)} and confirmed after {words.seconds(first.p50)};"
            " in the last"
            f" burst, warm, half were confirmed within {words.seconds(last.p50)} of a payment of"
            f" {words.seconds(payment)}."
        )
    return said


def _billed_row(run: RunResult) -> tuple[str, ...]:
    billed = run.figures.billed_seconds
    memory = next((use.rss_max_mb for use in run.processes if use.process == FUNCTIONS), None)
    return (
        run.scenario.name,
        words.NOTHING if billed is None else words.count(billed.count),
        words.NOTHING if billed is None else words.several(billed.p50, billed.max),
        words.NOTHING if billed is None else f"{billed.mean * billed.count * FUNCTION_GB:.1f} GB-s",
        words.NOTHING if memory is None else f"{memory:.0f} MB",
    )


def cold_answer(results: Results) -> Answer | None:
    """Cold starts, told apart from warm ones."""
    runs = lambda_runs(results)
    if not runs:
        return None
    rows, paragraphs = [], []
    for run in runs:
        figures = run.figures
        for phase in figures.phases:
            confirmation = phase.confirmation
            rows.append(
                (
                    f"{run.scenario.name}: {phase.name}",
                    words.count(phase.accepted),
                    words.several(confirmation.p50, confirmation.max) if confirmation else words.NOTHING,
                )
            )
        if figures.cold_start_seconds is not None:
            paragraphs.append(_words(run))
    paragraphs.append(
        "A cold start happens whenever more payments are in progress than environments exist: a 3 s payment holds its"
        " environment for 3 s, so a burst of n orders at once starts up to n of them. On this machine all of"
        " them start on"
        " the same few cores, which makes bursts look worse than on AWS, where each environment has its own"
        " share of CPU."
    )
    table = Table(caption="Bursts", heads=("burst", "orders", "confirmation, p50 / longest"), rows=rows)
    billed = Table(
        caption="What the platform bills",
        heads=("run", "invocations", "billed, p50 / longest", f"at {FUNCTION_GB:g} GB", "memory used"),
        rows=[_billed_row(run) for run in runs],
    )
    return Answer(id="cold", question=COLD, paragraphs=paragraphs, tables=[table, billed])


def measured_assumptions(results: Results) -> Assumptions:
    """The price model's assumptions, with what these runs measured in place of its own."""
    starts = [run for run in lambda_runs(results) if run.figures.cold_start_seconds is not None]
    cold = min((run.figures.first_cold_start_seconds or 0.0 for run in starts), default=None)
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
