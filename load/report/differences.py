"""How far the figures of one side of a comparison are from those of another, and how much its own runs differ."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from load.analysis.results import Results, RunResult
from load.report import words
from load.scenario import Scenario

SEVERAL = 2
# What may be another in two runs of one scenario.
BY_THE_WAY = {"title", "seed", "together", "stands_for"}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A figure that is compared, and how it is written."""

    name: str
    of: Callable[[RunResult], float | None]
    written: Callable[[float], str]


COMPARED = (
    Compared(name="accepted", of=lambda run: run.figures.accepted, written=words.count),
    Compared(
        name="accept p50", of=lambda run: run.figures.accept.p50 if run.figures.accept else None, written=words.seconds
    ),
    Compared(
        name="accept p95", of=lambda run: run.figures.accept.p95 if run.figures.accept else None, written=words.seconds
    ),
    Compared(
        name="confirmation p50",
        of=lambda run: run.figures.confirmation.p50 if run.figures.confirmation else None,
        written=words.seconds,
    ),
    Compared(name="completions", of=lambda run: run.figures.completion_rate, written=words.rate),
    Compared(name="peak backlog", of=lambda run: run.figures.peak_backlog, written=words.count),
    Compared(name="drain", of=lambda run: run.figures.drain_seconds, written=words.seconds),
)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What several runs measured of one figure."""

    least: float
    median: float
    most: float
    runs: int

    def apart_from(self, other: "Spread") -> bool:
        """Whether no run of one side comes near the other side's."""
        return self.most < other.least or other.most < self.least


def spread(figure: Compared, runs: Sequence[RunResult]) -> Spread | None:
    """Of the runs that have the figure; None when none has."""
    values = [value for value in map(figure.of, runs) if value is not None]
    if not values:
        return None
    return Spread(least=min(values), median=median(values), most=max(values), runs=len(values))


def written(figure: Compared, found: Spread | None) -> str:
    """The median, and from where to where it goes."""
    if found is None:
        return words.NOTHING
    middle = figure.written(found.median)
    if found.runs < SEVERAL:
        return f"{middle} (one run)"
    return f"{middle} ({figure.written(found.least)} to {figure.written(found.most)})"


def difference(before: Spread | None, after: Spread | None) -> str:
    """Of the medians, and whether it is more than the runs of either side differ among themselves."""
    if before is None or after is None or before.median == 0 or math.isinf(before.median) or math.isinf(after.median):
        return words.NOTHING
    percent = f"{100 * (after.median - before.median) / before.median:+.1f} %".replace("-", "−")
    if min(before.runs, after.runs) < SEVERAL:
        return percent
    return f"{percent}, {'beyond' if after.apart_from(before) else 'within'} the spread"


def unlike(experiments: Sequence[Results]) -> dict[str, str]:
    """By name, a sentence about every scenario that is not the same in all of these experiments."""
    scenarios: dict[str, list[Scenario]] = {}
    for run in (run for results in experiments for run in results.runs):
        scenarios.setdefault(run.scenario.name, []).append(run.scenario)
    return {
        name: f"{name} is not the same scenario everywhere ({', '.join(fields)}): that, too, may change its figures."
        for name, several in scenarios.items()
        if (fields := _fields_that_differ(several))
    }


def _fields_that_differ(scenarios: Sequence[Scenario]) -> list[str]:
    first, *others = [one.model_dump(exclude=BY_THE_WAY) for one in scenarios]
    return [name for name, value in first.items() if any(one[name] != value for one in others)]
