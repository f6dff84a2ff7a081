"""What the page's charts show, as data. The script in the page draws it and decides nothing."""

import math
from bisect import bisect_right
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from load.analysis.results import Band, RunResult
from load.report import words
from load.scenario import Arm


class Line(BaseModel):
    """One curve. `color` names a colour of the page's palette; `fill` paints the area under it.

    `stepped` holds each value until the next; a `dash`ed line joins its values over what is not known between them.
    At its end stands `at_end`, or else its label; nothing when it is `unnamed`.
    """

    model_config = ConfigDict(frozen=True)

    label: str
    color: str
    values: list[float | None]
    fill: bool = False
    dash: bool = False
    width: float = 2
    stepped: bool = False
    at_end: str = ""
    unnamed: bool = False


class Mark(BaseModel):
    """A place that the story is about: a moment, a height (a reference line) or a point; with `y_to` a distance."""

    model_config = ConfigDict(frozen=True)

    label: str
    color: str
    x: float | None = None
    y: float | None = None
    y_to: float | None = None


class Chart(BaseModel):
    """One chart. Charts of one `group` share their cursor; `unit` is s, /s, $, % or empty for counts.

    `x_view` is what it shows at first, when that is not all; `between` are pairs of lines with the ground between them
    painted (the upper one first).
    """

    model_config = ConfigDict(frozen=True)

    id: str
    title: str
    alt: str
    group: str
    unit: str
    x: list[float]
    lines: list[Line]
    bands: list[Band] = []
    marks: list[Mark] = []
    between: list[tuple[int, int]] = []
    x_max: float
    x_view: tuple[float, float] | None = None
    y_min: float | None = None
    y_max: float | None = None
    log: bool = False
    x_log: bool = False
    x_label: str = "time"
    x_unit: str = "s"
    height: int = 200


class Limits(BaseModel):
    """Axis ends that runs side by side share, so that heights can be compared."""

    model_config = ConfigDict(frozen=True)

    seconds: float
    backlog: float
    rate: float
    latency: float
    least_latency: float


def limits(runs: Sequence[RunResult]) -> Limits:
    """The common axis ends of some runs."""
    slow = [value for run in runs for value in run.series.confirmation_p95 if value is not None]
    fast = [value for run in runs for value in run.series.accept_p50 if value is not None and value > 0]
    return Limits(
        seconds=max(run.series.t[-1] for run in runs),
        backlog=max(max([*run.series.backlog, 1]) for run in runs),
        rate=max(max([*run.series.offered, *run.series.completed, 1]) for run in runs),
        latency=max([1.0, *slow]),
        least_latency=10 ** math.floor(math.log10(min([0.1, *fast]))),
    )


def sampled(run: RunResult, values: Sequence[float]) -> list[float | None]:
    """What was sampled, on the grid of the exact curves: the last sample before each point."""
    times = run.series.sampled_t
    found: list[float | None] = []
    for moment in run.series.t:
        index = bisect_right(times, moment + run.series.width / 2) - 1
        found.append(values[index] if index >= 0 and moment - times[index] <= 2 * run.series.width else None)
    return found


def _positive(values: Sequence[float | None]) -> list[float | None]:
    return [value if value is not None and value > 0 else None for value in values]


def backlog_chart(run: RunResult, ends: Limits, group: str) -> Chart:
    """True backlog beside what the queue shows; in the sync arm, the shoppers waiting for an answer."""
    figures, name = run.figures, run.scenario.folder_name
    if run.scenario.arm is Arm.SYNC:
        lines = [Line(label="shoppers waiting", color="rejected", values=list(run.series.waiting), fill=True)]
        alt = f"{run.scenario.name}: at most {figures.peak_waiting} shoppers wait for an answer at once."
        title = "Shoppers waiting"
    else:
        lines = [Line(label="backlog", color="backlog", values=list(run.series.backlog), fill=True)]
        if any(run.series.visible):
            visible = sampled(run, run.series.visible)
            lines.append(Line(label="visible in the queue", color="muted", values=visible, dash=True, width=1.25))
        alt = (
            f"{run.scenario.name}: the backlog peaks at {figures.peak_backlog} orders"
            f" and drains in {words.seconds(figures.drain_seconds)}."
        )
        title = "Backlog: accepted, not finished"
    return Chart(
        id=f"{name}-backlog",
        title=title,
        alt=alt,
        group=group,
        unit="",
        x=run.series.t,
        lines=lines,
        bands=run.bands,
        x_max=ends.seconds,
        # Waiting shoppers are few where orders in a queue are many: their axis is their own.
        y_max=figures.peak_waiting if run.scenario.arm is Arm.SYNC else ends.backlog,
    )


def rate_chart(run: RunResult, ends: Limits, group: str) -> Chart:
    """Orders per second: offered, accepted, refused, completed."""
    figures = run.figures
    lines = [Line(label="offered", color="muted", values=list(run.series.offered), dash=True, width=1.25)]
    lines.append(Line(label="accepted", color="accepted", values=list(run.series.accepted)))
    if run.scenario.arm is Arm.SYNC:
        lines.append(Line(label="lost", color="rejected", values=list(run.series.rejected)))
    else:
        lines.append(Line(label="completed", color="completed", values=list(run.series.completed)))
    return Chart(
        id=f"{run.scenario.folder_name}-rates",
        title="Orders per second",
        alt=(
            f"{run.scenario.name}: {figures.offered} orders offered, {figures.accepted} accepted,"
            f" {figures.completed} completed."
        ),
        group=group,
        unit="/s",
        x=run.series.t,
        lines=lines,
        bands=run.bands,
        x_max=ends.seconds,
        y_max=ends.rate,
    )


def latency_chart(run: RunResult, ends: Limits, group: str) -> Chart:
    """How long until the answer, and until the payment is recorded, for the orders due at each moment."""
    series = run.series
    lines = [
        Line(label="answer p95", color="accepted", values=_positive(series.accept_p95), width=1.25, dash=True),
        Line(label="answer p50", color="accepted", values=_positive(series.accept_p50)),
        Line(
            label="confirmation p95",
            color="completed",
            values=_positive(series.confirmation_p95),
            width=1.25,
            dash=True,
        ),
        Line(label="confirmation p50", color="completed", values=_positive(series.confirmation_p50)),
    ]
    if run.scenario.arm is Arm.SYNC:
        lines = lines[:2]
    accept, confirmation = run.figures.accept, run.figures.confirmation
    return Chart(
        id=f"{run.scenario.folder_name}-latency",
        title="How long it takes",
        alt=(
            f"{run.scenario.name}: half of the accepted orders are answered within"
            f" {words.seconds(accept.p50 if accept else None)} and confirmed within"
            f" {words.seconds(confirmation.p50 if confirmation else None)}."
        ),
        group=group,
        unit="s",
        x=series.t,
        lines=lines,
        bands=run.bands,
        x_max=ends.seconds,
        y_min=ends.least_latency,
        y_max=ends.latency,
        log=True,
    )


def run_charts(run: RunResult, ends: Limits, group: str) -> list[Chart]:
    """The three charts of one run."""
    return [backlog_chart(run, ends, group), rate_chart(run, ends, group), latency_chart(run, ends, group)]
