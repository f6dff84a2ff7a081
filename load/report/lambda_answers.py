"""Questions 5 and 6: cold starts, and whether to switch to Lambda."""

from dataclasses import replace
from decimal import Decimal

from load.analysis.figures import PhaseFigures
from load.analysis.results import Results, RunResult
from load.model import Assumptions, Prices, break_even, monthly_cost, seed_comparison
from load.records import FUNCTIONS
from load.report import words
from load.report.answers import Answer, Table, comparable, true_payment
from load.scenario import Arm

COLD = "How often do cold starts happen, how long are they, and do they matter beside the payment?"
FUNCTION_GB = 0.5
MOST_INIT_SECONDS = 10.0  # Lambda allows no more
MILLION = 1_000_000
MATTERS = 0.1  # of the payment
JUST_AS_FAST = 0.005  # less than this is no more, in whole percents
SWITCH = "Would you switch to Lambda?"


def lambda_runs(results: Results) -> list[RunResult]:
    """The runs with functions."""
    return [run for run in comparable(results) if run.scenario.arm in {Arm.LAMBDA, Arm.LAMBDA_SQS}]


def _warm_phase(run: RunResult) -> PhaseFigures | None:
    """The last burst, if no environment started in it."""
    last = run.figures.phases[-1]
    return last if last.cold_starts == 0 and last.confirmation is not None else None


def _words(run: RunResult) -> str:
    figures, cold, payment = run.figures, run.figures.cold_start_seconds, run.scenario.payment_seconds
    said = (
        f"{run.scenario.name}: {words.number_of(figures.cold_starts, 'cold start')} for {figures.accepted} orders,"
        f" process start to ready in {words.seconds(cold.p50 if cold else None)} (median; longest"
        f" {words.seconds(cold.max if cold else None)})."
    )
    warm = _warm_phase(run)
    if warm is None or warm.confirmation is None:
        return said
    said += (
        f" Warm, in the last burst, half were confirmed within {words.seconds(warm.confirmation.p50)}, of which the"
        f" payment takes {words.seconds(payment)}."
    )
    slower = [_slower(phase, warm.confirmation.p50) for phase in figures.phases if phase.cold_starts]
    return f"{said} Cold: {'; '.join(one for one in slower if one)}."


def _slower(phase: PhaseFigures, warm: float) -> str:
    """What the cold starts of a phase added to its orders."""
    if phase.confirmation is None:
        return ""
    extra = phase.confirmation.p50 - warm
    more = f"{words.seconds(extra)} or {100 * extra / warm:.0f} % more" if extra >= JUST_AS_FAST * warm else "no more"
    orders, starts = words.number_of(phase.accepted, "order"), words.number_of(phase.cold_starts, "cold start")
    return f"{phase.name} ({orders}, {starts}) {words.seconds(phase.confirmation.p50)}, {more}"


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


def _cold_lead(runs: list[RunResult]) -> str:
    """Whether they matter beside the true payment, how often they happen, and how long they are."""
    starts, orders = sum(run.figures.cold_starts for run in runs), sum(run.figures.accepted for run in runs)
    alone = [one for run in runs if (one := run.figures.first_cold_start_seconds) is not None]
    if not alone:
        return "No: none of these orders met a cold start."
    payment = true_payment(runs[0])
    share = min(alone) / payment
    beside = f"{100 * share:.0f} % of a payment of {words.seconds(payment)}"
    often = f"{words.number_of(starts, 'cold start')} for {orders} orders"
    if share < MATTERS:
        return f"No: a cold start by itself takes {words.seconds(min(alone))}, {beside}; there were {often}."
    return (
        f"Yes, for the order that meets one: by itself it takes {words.seconds(min(alone))}, {beside}, and a tenth is"
        f" noticed; there were {often}."
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
                    words.count(phase.cold_starts),
                    words.several(confirmation.p50, confirmation.max) if confirmation else words.NOTHING,
                )
            )
        if figures.cold_start_seconds is not None:
            paragraphs.append(_words(run))
    paragraphs.append(
        "A cold start happens whenever more invocations are in progress than environments exist: a payment holds its"
        " environment as long as it lasts, so a burst of n invocations at once starts up to n of them. On this machine"
        " all of them start on the same few cores, which makes bursts look worse than on AWS, where each environment"
        " has its own share of CPU."
    )
    table = Table(caption="Bursts", heads=("burst", "orders", "cold starts", "confirmation, p50 / longest"), rows=rows)
    billed = Table(
        caption="What the platform bills",
        heads=("run", "invocations", "billed, p50 / longest", f"at {FUNCTION_GB:g} GB", "resident memory"),
        rows=[_billed_row(run) for run in runs],
    )
    return Answer(
        id="cold",
        short="Cold starts",
        question=COLD,
        lead=_cold_lead(runs),
        paragraphs=paragraphs,
        tables=[table, billed],
    )


def measured_assumptions(results: Results) -> Assumptions:
    """The price model's assumptions, with what these runs measured in place of its own."""
    assumed = Assumptions()
    colds = [one for run in lambda_runs(results) if (one := run.figures.first_cold_start_seconds) is not None]
    if colds:
        assumed = replace(assumed, init_seconds=Decimal(str(round(min(*colds, MOST_INIT_SECONDS), 3))))
    batches = [batch for run in lambda_runs(results) if (batch := _batch(run)) is not None]
    return replace(assumed, orders_per_invocation=batches[0]) if batches else assumed


def _batch(run: RunResult) -> Decimal | None:
    """Orders per invocation of the lambda-sqs arm, as measured."""
    billed = run.figures.billed_seconds
    if run.scenario.arm is not Arm.LAMBDA_SQS or billed is None or run.figures.accepted < billed.count:
        return None
    return round(Decimal(run.figures.accepted) / billed.count, 2)


def _switch_lead(prices: Prices, assumed: Assumptions) -> str:
    """Yes or no."""
    even = break_even("lambda", "ecs", prices, assumed)
    return f"Below about {even.orders:,} orders a month, yes; above it, no." if even.orders else "Not for its price."


def _when(prices: Prices, assumed: Assumptions) -> str:
    """Up to which volume Lambda is the cheaper one."""
    even = break_even("lambda", "ecs", prices, assumed)
    if even.orders is not None:
        return (
            f"Below about {even.orders:,} orders a month, yes: straight from the topic Lambda costs less than a"
            " processor task that runs all month, and there is no worker count to plan. Above it, no:"
        )
    one, other = (monthly_cost(arm, MILLION, prices, assumed).total for arm in ("lambda", "ecs"))
    return (
        "At these prices Lambda and a processor task never cost the same: a million orders a month are"
        f" ${one:,.2f} straight from the topic and ${other:,.2f} with the task. The reason to hesitate:"
    )


def _batched(prices: Prices, assumed: Assumptions) -> str:
    if assumed.orders_per_invocation == 1:
        return ""
    batched = break_even("lambda-sqs", "ecs", prices, assumed)
    alone = break_even("lambda-sqs", "ecs", prices, replace(assumed, orders_per_invocation=Decimal(1)))
    return (
        f" Through the queue one invocation takes a batch: with {assumed.orders_per_invocation} orders in each, as in"
        f" these bursts, the limit is {_orders(batched.orders)}, with one in each {_orders(alone.orders)}."
    )


def _orders(number: int | None) -> str:
    return "never reached" if number is None else f"{number:,} orders a month"


def switch_answer(results: Results, prices: Prices) -> Answer:
    """The paragraph that the course asks for."""
    assumed = measured_assumptions(results)
    seed = seed_comparison(prices)
    return Answer(
        id="switch",
        short="Lambda?",
        lead=_switch_lead(prices, assumed),
        question=SWITCH,
        paragraphs=[
            (
                f"{_when(prices, assumed)} Lambda bills every second of waiting for the provider, while one task waits"
                f" for a hundred payments at the same time.{_batched(prices, assumed)} Keep the queue in between in"
                " either case: straight from the topic, nothing holds back a burst but the account's concurrency limit,"
                " and the provider's capacity is not asked at all."
            ),
            (
                f"The course compares two tasks (${seed.fixed} a month) with Lambda's free tier of"
                f" {float(seed.free_orders):,.0f} orders ({seed.free_orders_formula}). The free tier is not the"
                f" break-even: at the same prices that is at {float(seed.break_even):,.0f} orders"
                f" ({seed.break_even_formula}), and {float(seed.break_even_without_free_tier):,.0f} without the free"
                f" tier. Left out in both: {seed.left_out}."
            ),
        ],
    )
