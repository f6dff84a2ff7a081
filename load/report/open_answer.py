"""What a closed loop hides: customers who come at their own times, beside shoppers who wait for their answer."""

from load.analysis.results import Results, RunResult
from load.report import words
from load.report.answers import Answer, Table, overlay, runs_of
from load.report.charts import Chart
from load.report.prose import say
from load.scenario import Arm

HEADS = (
    "load",
    "offered",
    "accepted",
    "sent late p99",
    "accept p50/p99",
    "confirmation p50/p99",
    "peak backlog",
)


def open_loop_answer(results: Results) -> Answer | None:
    """The closed loop beside the open one."""
    runs = runs_of(results, Arm.ECS, open_loop=True)
    if not runs:
        return None
    beside = [run for run in runs_of(results, Arm.ECS) if run.scenario.keeps_up_with] + runs
    return Answer(
        id="open",
        short="Open loop",
        question=say("open.question"),
        lead=_open_lead(runs),
        paragraphs=[say("open.hidden")],
        tables=[Table(caption="Closed and open loop", heads=HEADS, rows=[_row(run) for run in beside])],
        charts=[_chart(beside)],
    )


def _open_lead(runs: list[RunResult]) -> str:
    """What those waited who came at their own times."""
    waits = [run.peak.accept.p99 for run in runs if run.peak.accept]
    return say("open.lead", wait=words.seconds(max(waits))) if waits else ""


def _row(run: RunResult) -> tuple[str, ...]:
    phase, wait = run.peak, run.figures.confirmation
    return (
        run.scenario.title,
        words.rate(phase.offered_rate),
        words.rate(phase.accepted_rate),
        words.several(phase.sent_late.p99) if run.scenario.is_open_loop and phase.sent_late else words.NOTHING,
        words.several(phase.accept.p50, phase.accept.p99) if phase.accept else words.NOTHING,
        words.several(wait.p50, wait.p99) if wait else words.NOTHING,
        words.count(run.figures.peak_backlog),
    )


def _chart(runs: list[RunResult]) -> Chart:
    return overlay(
        id_="open-backlog",
        title="Backlog",
        alt="; ".join(f"{run.scenario.name}: peak {run.figures.peak_backlog}" for run in runs),
        unit="",
        curves=[(run.scenario.name, run, list(run.series.backlog)) for run in runs],
    )
