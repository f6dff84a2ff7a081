"""The charts of runs that differ in their workers: one hue, from light to dark."""

import math
from bisect import bisect_right
from collections.abc import Sequence

from load.analysis.results import RunResult
from load.report import words
from load.report.answers import drain_text, overlay, smoothed, workers_label
from load.report.charts import Chart, Line, Mark, sampled

HUES = ("w1", "w2", "w3", "w4", "w5", "w6")
TURNS = 3
FAR = 1.5
POINTS = 120


def hues(count: int) -> list[str]:
    """As many steps of the hue as there are runs, as far apart as possible."""
    last = len(HUES) - 1
    return [HUES[min(last, round(index * last / max(1, count - 1)))] for index in range(count)]


def by_workers(runs: Sequence[RunResult]) -> list[RunResult]:
    """The fewest workers first: the lightest."""
    return sorted(runs, key=lambda run: run.scenario.workers)


def backlog_chart(runs: Sequence[RunResult]) -> Chart:
    """Everything that is accepted and not finished; what was not waited for is drawn to its end, dashed."""
    chart = overlay(
        id_="queue-backlog",
        title="True backlog: accepted, not finished",
        alt="; ".join(f"{workers_label(run)}: peak {run.figures.peak_backlog}, gone {drain_text(run)}" for run in runs),
        unit="",
        curves=[(workers_label(run), run, list(run.series.backlog)) for run in runs],
        colors=hues(len(runs)),
    )
    return extrapolated(_ending(chart, [drain_text(run) * run.figures.drain_is_extrapolated for run in runs]), runs)


def _ending(chart: Chart, said: Sequence[str]) -> Chart:
    """The same chart with something said of each line at its end."""
    lines = [
        line.model_copy(update={"at_end": f"{line.label}: {remark}" if remark else ""})
        for line, remark in zip(chart.lines, said, strict=True)
    ]
    return chart.model_copy(update={"lines": lines})


def extrapolated(chart: Chart, runs: Sequence[RunResult]) -> Chart:
    """A dashed line from the last measurement of each run that was cut short to where its backlog would be empty."""
    missing = [found for run, line in zip(runs, chart.lines, strict=True) if (found := _rest(chart, run, line))]
    if not missing:
        return chart
    grid = sorted({*chart.x, *(end for _, points in missing for end in points)})
    lines = [(line, dict(zip(chart.x, line.values, strict=True))) for line in chart.lines]
    placed = [line.model_copy(update={"values": [known.get(at) for at in grid]}) for line, known in [*lines, *missing]]
    measured = chart.x[-1] or 1.0
    view = (0.0, measured) if grid[-1] > FAR * measured else None
    return chart.model_copy(update={"x": grid, "lines": placed, "x_max": grid[-1] or 1.0, "x_view": view})


def _rest(chart: Chart, run: RunResult, line: Line) -> tuple[Line, dict[float, float | None]] | None:
    """The line of what was not measured, and its two points."""
    end = run.bands[-1].end + run.figures.drain_seconds
    last = max((index for index, value in enumerate(line.values) if value is not None), default=0)
    if not run.figures.drain_is_extrapolated or not math.isfinite(end) or end <= chart.x[last]:
        return None
    label = f"{line.label}, extrapolated"
    return Line(label=label, color=line.color, values=[], dash=True, unnamed=True), {
        chart.x[last]: line.values[last],
        end: 0,
    }


def visible_chart(runs: Sequence[RunResult], beside: Chart) -> Chart:
    """What the queue itself shows, on the axes of the true backlog: a part of it."""
    chart = overlay(
        id_="queue-visible",
        title="Visible in the queue, as SQS counts it",
        alt="; ".join(f"{workers_label(run)}: at most {max([0, *run.series.visible])}" for run in runs),
        unit="",
        curves=[(workers_label(run), run, sampled(run, run.series.visible)) for run in runs],
        colors=hues(len(runs)),
    )
    highest = max(run.figures.peak_backlog for run in runs)
    return chart.model_copy(update={"y_max": highest, "group": beside.group})


def oldest_chart(runs: Sequence[RunResult]) -> Chart:
    """How long the order at the head of the queue has waited."""
    return overlay(
        id_="queue-oldest",
        title="Age of the oldest unfinished order",
        alt="; ".join(f"{workers_label(run)}: at most {words.seconds(max(run.series.oldest_seconds))}" for run in runs),
        unit="s",
        curves=[(workers_label(run), run, list(run.series.oldest_seconds)) for run in runs],
        colors=hues(len(runs)),
    )


def completions_chart(runs: Sequence[RunResult]) -> Chart:
    """Completions per second; the dotted line of the same colour is W ÷ d."""
    limits = [run.scenario.workers / run.scenario.payment_seconds for run in runs]
    colors = hues(len(runs))
    chart = overlay(
        id_="queue-completed",
        title="Completions per second, mean of the last three payments; dotted: W ÷ d",
        alt="; ".join(f"{workers_label(run)}: {words.rate(run.figures.completion_rate)}" for run in runs),
        unit="/s",
        curves=[(workers_label(run), run, _paid(run)) for run in runs],
        colors=colors,
    )
    marks = [Mark(label="", color=color, y=limit) for color, limit in zip(colors, limits, strict=True)]
    return _ending(chart, [f"W ÷ d = {words.rate(limit)}" for limit in limits]).model_copy(
        update={
            "marks": marks,
            "log": True,
            "y_min": 10 ** math.floor(math.log10(min(limits) / 1.5)),
            "y_max": max(limits),
            "height": 260,
        }
    )


def _paid(run: RunResult) -> list[float | None]:
    values = smoothed(run, run.series.completed, seconds=TURNS * run.scenario.payment_seconds)
    return [value or None for value in values]


def confirmation_chart(id_: str, curves: Sequence[tuple[str, str, RunResult]]) -> Chart | None:
    """The share of orders that were confirmed within a time, of each run (label, colour, run)."""
    known = [(label, color, run.confirmation_quantiles) for label, color, run in curves if run.confirmation_quantiles]
    least = min((times[0] for _, _, times in known), default=0.0)
    most = max((times[-1] for _, _, times in known), default=0.0)
    if not 0 < least < most:
        return None
    # One step before the fastest, so that every curve begins at nothing.
    step = (most / least) ** (1 / POINTS)
    grid = [least * step**index for index in range(-1, POINTS + 1)]
    return Chart(
        id=id_,
        title="Orders that were paid within this time",
        alt="; ".join(
            f"{label}: half within {words.seconds(times[min(50, len(times) - 1)])}" for label, _, times in known
        ),
        group=id_,
        unit="%",
        x=grid,
        lines=[Line(label=label, color=color, values=_shares(times, grid)) for label, color, times in known],
        x_max=grid[-1],
        x_log=True,
        x_label="within",
        height=260,
    )


def _shares(times: Sequence[float], grid: Sequence[float]) -> list[float | None]:
    """Percent within each moment; the curve ends with the last that is known."""
    ended = next((index for index, moment in enumerate(grid) if moment >= times[-1]), len(grid))
    return [max(0.0, bisect_right(times, at * (1 + 1e-9)) - 1.0) for at in grid[: ended + 1]] + [None] * (
        len(grid) - ended - 1
    )
