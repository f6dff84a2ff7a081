"""Question 1: what happens to the customers of the synchronous shop."""

from collections.abc import Sequence

from load.analysis.figures import PhaseFigures
from load.analysis.results import Results, RunResult
from load.report import words
from load.report.answers import Answer, Table, capacity_label, overlay, runs_of, shop_runs, smoothed
from load.report.charts import Chart
from load.report.prose import say
from load.report.verdict import customers_lost, payments_at_a_time
from load.scenario import DEADLINE_SHARE, WAIT_SHARE, Arm, Shop

FAR = 1.5
HEADS = (
    "shop",
    "offered",
    "paid/s",
    "possible",
    "refused/s",
    "refused",
    "paid order p50/p95",
    "any answer p50/p95",
)


def _limit(run: RunResult) -> str:
    scenario = run.scenario
    if scenario.slots == 0:
        return words.NOTHING
    return words.rate(scenario.slots / scenario.payment_seconds)


def _lost_percent(phase: PhaseFigures) -> float:
    """Of the answers that came within the phase, those that were refusals."""
    answered = phase.answered_in_time_rate + phase.refused_in_time_rate
    return 100 * phase.refused_in_time_rate / answered if answered else 0.0


def _row(run: RunResult, phase: PhaseFigures) -> tuple[str, ...]:
    answer = phase.answer_in_time
    return (
        f"{run.scenario.shop.value}, capacity {capacity_label(run)}: {phase.name}",
        words.count(phase.offered),
        words.rate(phase.answered_in_time_rate),
        _limit(run),
        words.rate(phase.refused_in_time_rate),
        words.loss(_lost_percent(phase)),
        words.several(phase.accept.p50, phase.accept.p95) if phase.accept else words.NOTHING,
        words.several(answer.p50, answer.p95) if answer else words.NOTHING,
    )


def _naive_words(run: RunResult) -> str:
    rush = run.peak
    answer = words.seconds(rush.answer_in_time.p50 if rush.answer_in_time else None)
    answers = rush.answer_in_time.count if rush.answer_in_time else 0
    refused = round(rush.refused_in_time_rate * rush.seconds)
    fate = say("sync.none_refused", answers=answers)
    if refused:
        fate = say("sync.refused", refused=refused, answers=answers, rate=words.rate(rush.refused_in_time_rate))
    return say(
        "sync.naive",
        payments=payments_at_a_time(run.scenario),
        users=rush.users,
        paid=words.rate(rush.answered_in_time_rate),
        limit=say("sync.limit", limit=_limit(run)) if run.scenario.slots else "",
        fate=fate,
        answer=answer,
        orders=words.number_of(run.figures.completed, "order"),
        requests=words.number_of(run.figures.rejected, "request"),
        lost=customers_lost(run.figures),
    )


def _lead(run: RunResult) -> str:
    """The shop in one sentence."""
    rush = run.peak
    return say(
        "sync.lead",
        payments=payments_at_a_time(run.scenario),
        users=rush.users,
        paid=words.rate(rush.answered_in_time_rate),
        refused=words.loss(_lost_percent(rush)),
    )


def _protected_words(runs: list[RunResult]) -> str:
    """What the protected shop does otherwise."""
    line = runs[0].scenario.line_seconds
    return say(
        "sync.protected",
        short=words.seconds(line * WAIT_SHARE),
        line=words.seconds(line),
        deadline=words.seconds(line * DEADLINE_SHARE),
        deferred=sum(phase.deferred for run in runs for phase in run.figures.phases),
    )


def shown_at_first(runs: Sequence[RunResult]) -> tuple[float, float] | None:
    """The time of all runs but the longest, when that one would press the others together; else nothing."""
    *others, longest = sorted(run.series.t[-1] for run in runs)
    return (0.0, others[-1]) if others and longest > FAR * others[-1] else None


def _charts(runs: list[RunResult]) -> list[Chart]:
    curves = [(f"{run.scenario.shop.value}, {capacity_label(run)}", run) for run in runs]
    charts = [
        overlay(
            id_="sync-waiting",
            title="Shoppers waiting for an answer",
            alt="; ".join(f"{label}: at most {run.figures.peak_waiting}" for label, run in curves),
            unit="",
            curves=[(label, run, list(run.series.waiting)) for label, run in curves],
        ),
        overlay(
            id_="sync-lost",
            title="Requests refused per second, mean of the last five seconds",
            alt="; ".join(f"{label}: {words.rate(run.peak.refused_in_time_rate)} in the rush" for label, run in curves),
            unit="/s",
            curves=[(label, run, smoothed(run, run.series.rejected, seconds=5)) for label, run in curves],
        ),
    ]
    return [chart.model_copy(update={"x_view": shown_at_first(runs)}) for chart in charts]


def sync_answer(results: Results) -> Answer | None:
    """The answer, when there are synchronous runs."""
    runs = runs_of(results, Arm.SYNC)
    if not runs:
        return None
    naive, protected = shop_runs(results, Shop.NAIVE), shop_runs(results, Shop.PROTECTED)
    paragraphs = [_naive_words(run) for run in naive] + ([_protected_words(protected)] if protected else [])
    rows = [_row(run, phase) for run in runs for phase in run.figures.phases]
    return Answer(
        id="sync",
        short="Sync",
        question=say("sync.question"),
        lead=_lead((naive or runs)[0]),
        paragraphs=paragraphs,
        tables=[Table(caption="Synchronous runs", heads=HEADS, rows=rows)],
        charts=_charts(runs),
        notes=[say("sync.counted")],
    )
