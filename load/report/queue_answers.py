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
from load.report.prose import say
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
    grew = say("growth.held")
    if figures.growth_rate is not None:
        grew = say("growth.grew", rate=words.rate(figures.growth_rate))
    return say(
        "growth.lead",
        workers=workers_label(run),
        grew=grew,
        backlog=words.number_of(figures.peak_backlog, "order"),
        drain=drain_text(run),
        true=say("growth.true", drain=true_text(run, DRAIN)) if run.true_predictions else "",
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
    true = backlog_chart(runs)
    charts = [true, visible_chart(runs, true), oldest_chart(runs)]
    shown = max(runs, key=lambda run: (not run.figures.drain_is_extrapolated, run.figures.peak_backlog))
    return Answer(
        id="growth",
        short="Queue",
        question=say("growth.question"),
        lead=_growth_lead(shown),
        paragraphs=[say("growth.lines")],
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
            fewest, planned = _fewest(run, rate), _planned(run, rate)
            return say("workers.lead", rate=f"{rate:g}", fewest=fewest, planned=planned)
    most = runs[-1]
    return say("workers.most", workers=workers_label(most), rate=words.rate(most.figures.completion_rate))


def _kept_up(runs: list[RunResult]) -> list[str]:
    """How many workers it takes, and how they did."""
    return [
        say(
            "workers.kept_up",
            rate=f"{rate:g}",
            fewest=_fewest(run, rate),
            utilisation=f"{UTILISATION:g}",
            planned=_planned(run, rate),
            workers=words.number_of(run.scenario.workers, "worker"),
            accepted=words.rate(run.peak.accepted_rate),
            backlog=words.count(run.figures.peak_backlog),
            drain=drain_text(run),
        )
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
        question=say("workers.question"),
        lead=_workers_lead(runs),
        paragraphs=[*_kept_up(runs), say("workers.little_cpu")],
        tables=[Table(caption="Runs by workers", heads=WORKER_HEADS, rows=[_worker_row(run) for run in runs])],
        charts=charts,
        notes=[say("workers.measured")],
    )
