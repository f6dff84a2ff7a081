"""Questions 5 and 6: cold starts, and whether to switch to Lambda."""

from dataclasses import replace
from decimal import Decimal

from load.analysis.figures import PhaseFigures
from load.analysis.results import Results, RunResult
from load.model import Assumptions, Prices, break_even, monthly_cost, seed_comparison
from load.records import FUNCTIONS
from load.report import words
from load.report.answers import Answer, Table, comparable, true_payment
from load.report.prose import say
from load.scenario import Arm

FUNCTION_GB = 0.5
MOST_INIT_SECONDS = 10.0  # Lambda allows no more
MILLION = 1_000_000
MATTERS = 0.1  # of the payment
JUST_AS_FAST = 0.005  # less than this is no more, in whole percents


def lambda_runs(results: Results) -> list[RunResult]:
    """The runs with functions."""
    return [run for run in comparable(results) if run.scenario.arm in {Arm.LAMBDA, Arm.LAMBDA_SQS}]


def _warm_phase(run: RunResult) -> PhaseFigures | None:
    """The last burst, if no environment started in it."""
    last = run.figures.phases[-1]
    return last if last.cold_starts == 0 and last.confirmation is not None else None


def _words(run: RunResult) -> str:
    figures, cold = run.figures, run.figures.cold_start_seconds
    return say(
        "cold.run",
        run=run.scenario.name,
        starts=words.number_of(figures.cold_starts, "cold start"),
        orders=figures.accepted,
        median=words.seconds(cold.p50 if cold else None),
        longest=words.seconds(cold.max if cold else None),
        warm=_warm_words(run),
    )


def _warm_words(run: RunResult) -> str:
    """The cold phases beside the warm one, if there is one."""
    warm = _warm_phase(run)
    if warm is None or warm.confirmation is None:
        return ""
    half = warm.confirmation.p50
    cold = [_slower(phase, half) for phase in run.figures.phases if phase.cold_starts]
    payment = words.seconds(run.scenario.payment_seconds)
    return say("cold.warm", half=words.seconds(half), payment=payment, cold="; ".join(one for one in cold if one))


def _slower(phase: PhaseFigures, warm: float) -> str:
    """What the cold starts of a phase added to its orders."""
    if phase.confirmation is None:
        return ""
    extra, more = phase.confirmation.p50 - warm, say("cold.no_more")
    if extra >= JUST_AS_FAST * warm:
        more = say("cold.more", extra=words.seconds(extra), share=f"{100 * extra / warm:.0f} %")
    return say(
        "cold.burst",
        burst=phase.name,
        orders=words.number_of(phase.accepted, "order"),
        starts=words.number_of(phase.cold_starts, "cold start"),
        half=words.seconds(phase.confirmation.p50),
        more=more,
    )


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
        return say("cold.none")
    payment = true_payment(runs[0])
    share = min(alone) / payment
    return say(
        "cold.no" if share < MATTERS else "cold.yes",
        alone=words.seconds(min(alone)),
        share=f"{100 * share:.0f} %",
        payment=words.seconds(payment),
        often=say("cold.often", starts=words.number_of(starts, "cold start"), orders=orders),
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
    paragraphs.append(say("cold.why"))
    table = Table(caption="Bursts", heads=("burst", "orders", "cold starts", "confirmation, p50 / longest"), rows=rows)
    billed = Table(
        caption="What the platform bills",
        heads=("run", "invocations", "billed, p50 / longest", f"at {FUNCTION_GB:g} GB", "resident memory"),
        rows=[_billed_row(run) for run in runs],
    )
    return Answer(
        id="cold",
        short="Cold starts",
        question=say("cold.question"),
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
    return say("switch.lead", orders=f"{even.orders:,}") if even.orders else say("switch.lead_never")


def _when(prices: Prices, assumed: Assumptions) -> str:
    """Up to which volume Lambda is the cheaper one, and why not above it."""
    reason = say("switch.reason", batched=_batched(prices, assumed))
    even = break_even("lambda", "ecs", prices, assumed)
    if even.orders is not None:
        return say("switch.below", orders=f"{even.orders:,}", reason=reason)
    one, other = (monthly_cost(arm, MILLION, prices, assumed).total for arm in ("lambda", "ecs"))
    return say("switch.never", functions=f"${one:,.2f}", tasks=f"${other:,.2f}", reason=reason)


def _batched(prices: Prices, assumed: Assumptions) -> str:
    batch = assumed.orders_per_invocation
    if batch == 1:
        return ""
    batched = break_even("lambda-sqs", "ecs", prices, assumed)
    alone = break_even("lambda-sqs", "ecs", prices, replace(assumed, orders_per_invocation=Decimal(1)))
    return say("switch.batched", batch=batch, limit=_orders(batched.orders), alone=_orders(alone.orders))


def _orders(number: int | None) -> str:
    return say("switch.unreached") if number is None else say("switch.month", orders=f"{number:,}")


def switch_answer(results: Results, prices: Prices) -> Answer:
    """The paragraph that the course asks for."""
    assumed = measured_assumptions(results)
    return Answer(
        id="switch",
        short="Lambda?",
        lead=_switch_lead(prices, assumed),
        question=say("switch.question"),
        paragraphs=[_when(prices, assumed), _course(prices)],
    )


def _course(prices: Prices) -> str:
    """The course's own comparison, and what it leaves out."""
    seed = seed_comparison(prices)
    return say(
        "switch.course",
        fixed=seed.fixed,
        free=f"{float(seed.free_orders):,.0f}",
        free_formula=seed.free_orders_formula,
        even=f"{float(seed.break_even):,.0f}",
        even_formula=seed.break_even_formula,
        bare=f"{float(seed.break_even_without_free_tier):,.0f}",
        left_out=seed.left_out,
    )
