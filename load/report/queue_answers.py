"""Questions 2 and 3: the queue and its workers."""

import math

from load.analysis.predicted import DRAIN
from load.analysis.results import Results, RunResult
from load.model import UTILISATION
from load.records import PROCESSOR
from load.report import words
from load.report.answers import (
    TRUE_RUN,
    Answer,
    Table,
    drain_text,
    filled,
    row_label,
    runs_of,
    true_text,
    workers_label,
)
from load.report.queue_charts import (
    backlog_chart,
    by_workers,
    completions_chart,
    confirmation_chart,
    hues,
    oldest_chart,
    visible_chart,
)
from load.scenario import Arm, planned_workers

GROWTH = "How fast does the queue grow, and how long until it is empty?"
WORKERS = "What do 1, 5, 20 and 100 workers change? What is the fewest that keep up with 60 orders per second?"
LITTLE_CPU = (
    "A worker does nothing but wait for the payment, so the completion rate is workers ÷ payment time, and the"
    " processor needs little CPU and memory even with many of them: more workers in one task, before more tasks."
)
MEASURED = (
    "The completion rate is measured while every slot has work: the time from one completion to the W-th after it is"
    " one turn of every slot. What is missing to W ÷ d is the slot's time beside the payment: receive, claim, record."
    " CPU is of one core, for the processor's process."
)
WORKER_HEADS = (
    "workers",
    "accepted",
    "completed",
    "W ÷ d",
    "of W ÷ d",
    "peak backlog",
    "empty after",
    "slots busy",
    "CPU",
    "memory",
)


def _fewest(run: RunResult, rate: float) -> int:
    """The fewest workers that keep up at all: rate × (payment + overhead), rounded up."""
    return math.ceil(rate * (run.scenario.payment_seconds + run.scenario.overhead_seconds))


def _planned(run: RunResult, rate: float) -> int:
    return planned_workers(rate, run.scenario.payment_seconds, run.scenario.overhead_seconds)


def fixed_runs(results: Results) -> list[RunResult]:
    """The closed-loop runs whose workers stayed the same, the fewest first."""
    return by_workers([run for run in runs_of(results, Arm.ECS) if not run.scenario.tasks])


def _growth_lead(run: RunResult) -> str:
    """How the backlog of one run came and went."""
    figures = run.figures
    grew = f"grew by {words.rate(figures.growth_rate)} to" if figures.growth_rate is not None else "held at most"
    true = f" (in the true run {true_text(run, DRAIN)}, says the model)" if run.true_predictions else ""
    return (
        f"With {workers_label(run)} the queue {grew} {words.number_of(figures.peak_backlog, 'order')} and was empty"
        f" {drain_text(run)} after the rush{true}."
    )


def growth_answer(results: Results) -> Answer | None:
    """How the backlog grows and goes."""
    runs = fixed_runs(results)
    if not runs:
        return None
    table = Table(
        caption="Growth and drain",
        heads=("workers", "accepted", "completed", "grew by", "peak backlog", "empty after the rush", TRUE_RUN),
        rows=[
            (
                row_label(run),
                words.rate(run.peak.accepted_rate),
                words.rate(run.figures.completion_rate),
                words.rate(run.figures.growth_rate),
                words.count(run.figures.peak_backlog),
                drain_text(run),
                true_text(run, DRAIN),
            )
            for run in runs
        ],
    )
    paragraphs = []
    paragraphs.append(
        "The queue grows by what comes in less what the workers finish, and it is empty after backlog ÷ (workers ÷"
        " payment time). Both are straight lines in the chart; nothing but more workers makes the second one steeper."
    )
    true = backlog_chart(runs)
    charts = [true, visible_chart(runs, true), oldest_chart(runs)]
    shown = max(runs, key=lambda run: (not run.figures.drain_is_extrapolated, run.figures.peak_backlog))
    lead = _growth_lead(shown)
    return Answer(
        id="growth",
        short="Queue",
        question=GROWTH,
        lead=lead,
        paragraphs=paragraphs,
        tables=[filled(table)],
        charts=charts,
    )


def _worker_row(run: RunResult) -> tuple[str, ...]:
    figures, scenario = run.figures, run.scenario
    limit = scenario.workers / scenario.payment_seconds
    share = None if figures.completion_rate is None else 100 * figures.completion_rate / limit
    use = next((one for one in run.processes if one.process == PROCESSOR), None)
    return (
        row_label(run),
        words.rate(run.peak.accepted_rate),
        words.rate(figures.completion_rate),
        words.rate(limit),
        words.percent(share),
        words.count(figures.peak_backlog),
        drain_text(run),
        words.percent(figures.utilisation_percent),
        words.NOTHING if use is None else f"{use.cpu_mean_percent:.0f} %",
        words.NOTHING if use is None else f"{use.rss_max_mb:.0f} MB",
    )


def _workers_lead(runs: list[RunResult]) -> str:
    """The fewest workers, or what they all do."""
    for run in runs:
        if rate := run.scenario.keeps_up_with:
            return (
                f"The fewest workers that keep up with {rate:g} orders/s are {_fewest(run, rate)}; with"
                f" {_planned(run, rate)} a backlog goes again, too."
            )
    most = runs[-1]
    return f"{workers_label(most)} paid {words.rate(most.figures.completion_rate)}: workers ÷ payment time, no more."


def _kept_up(runs: list[RunResult]) -> list[str]:
    """How many workers it takes, and how they did."""
    return [
        f"To keep up with {rate:g} orders/s takes rate × (payment + overhead) = {_fewest(run, rate)} workers at least;"
        f" with a utilisation of {UTILISATION:g}, so that a backlog, once there, goes again,"
        f" {_planned(run, rate)}. Measured with {words.number_of(run.scenario.workers, 'worker')} and"
        f" {words.rate(run.peak.accepted_rate)} accepted, the backlog never exceeded"
        f" {words.count(run.figures.peak_backlog)} orders and was gone {drain_text(run)} after the rush."
        for run in runs
        if (rate := run.scenario.keeps_up_with)
    ]


def workers_answer(results: Results) -> Answer | None:
    """What each number of workers does."""
    runs = fixed_runs(results)
    if not runs:
        return None
    confirmed = [(workers_label(run), color, run) for run, color in zip(runs, hues(len(runs)), strict=True)]
    charts = [completions_chart(runs)]
    if (distribution := confirmation_chart("queue-confirmation", confirmed)) is not None:
        charts.append(distribution)
    return Answer(
        id="workers",
        short="Workers",
        question=WORKERS,
        lead=_workers_lead(runs),
        paragraphs=[*_kept_up(runs), LITTLE_CPU],
        tables=[Table(caption="Runs by workers", heads=WORKER_HEADS, rows=[_worker_row(run) for run in runs])],
        charts=charts,
        notes=[MEASURED],
    )
