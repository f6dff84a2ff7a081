"""The curves of a run: for the charts, and second by second for people who calculate with them."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict

from load.analysis.figures import refusal
from load.analysis.timeline import Life, backlog, bins, grouped, lives, oldest_age, waiting
from load.model import percentile, replay_schedule
from load.records import Request, RunRecords
from load.scenario import Scenario

MOST_POINTS = 900
SERIES = "series.csv"
COUNTED = ("offered", "accepted", "rejected", "completed", "cold_starts")
TIMED = ("accept_p50", "accept_p95", "confirmation_p50", "confirmation_p95", "oldest_seconds")
HELD = ("backlog", "waiting")
SAMPLED = ("visible", "in_flight", "slots_busy")


class Series(BaseModel):
    """Curves on one grid: `t` in seconds from the beginning of the load, each point `width` seconds long.

    Counts hold at the beginning of a bin, rates are per second within it, latencies (seconds) are percentiles of the
    orders due within it (None while one of them has not ended). `rejected_by_reason` divides `rejected`, `cold_starts`
    are those within a bin. `sampled_t` is the grid of what was sampled. Where the workers were changed during the run,
    `workers` says how many there were, and `simulated_backlog` what the model makes of the same arrivals and changes.
    Where stock was limited, `units_…` are its counters, of all products and on the grid of what was sampled, and
    `sold_out` the answers that said so.
    """

    model_config = ConfigDict(frozen=True)

    width: float
    t: list[float]
    backlog: list[int]
    waiting: list[int]
    oldest_seconds: list[float]
    offered: list[float]
    accepted: list[float]
    rejected: list[float]
    rejected_by_reason: dict[str, list[float]]
    completed: list[float]
    accept_p50: list[float | None]
    accept_p95: list[float | None]
    confirmation_p50: list[float | None]
    confirmation_p95: list[float | None]
    cold_starts: list[int]
    sampled_t: list[float]
    visible: list[int]
    in_flight: list[int]
    slots_busy: list[float]
    workers: list[int] = []
    simulated_backlog: list[float | None] = []
    units_available: list[int] = []
    units_reserved: list[int] = []
    units_sold: list[int] = []
    sold_out: list[float] = []


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """`count` bins of `width` seconds, from the moment `start`."""

    start: float
    width: float
    count: int

    @classmethod
    def over(cls, start: float, last: float, most_points: int | None) -> Self:
        """Second by second, or the finest grid of doubled seconds with at most `most_points` points."""
        width = 1.0
        while most_points is not None and (last - start) / width > most_points:
            width *= 2
        return cls(start=start, width=width, count=int((last - start) // width) + 2)

    @property
    def seconds(self) -> list[float]:
        return [index * self.width for index in range(self.count)]

    @property
    def moments(self) -> list[float]:
        return [self.start + second for second in self.seconds]

    def counts(self, times: list[float]) -> list[int]:
        return bins(times, start=self.start, width=self.width, count=self.count)

    def rate(self, times: list[float]) -> list[float]:
        return [number / self.width for number in self.counts(times)]

    def curve(self, pairs: list[tuple[float, float]], percent: float) -> list[float | None]:
        return grouped(
            pairs,
            start=self.start,
            width=self.width,
            count=self.count,
            reduce=lambda values: percentile(sorted(values), percent) if math.inf not in values else None,
        )


def series(scenario: Scenario, records: RunRecords, *, most_points: int | None = None) -> Series:
    """The curves, second by second, or on the finest grid of doubled seconds with at most `most_points` points."""
    accepted = lives(records)
    ends = [life.ended for life in accepted if life.ended is not None]
    last = max([records.load_ended, *ends, *(request.done for request in records.requests)])
    grid = _Grid.over(records.started, last, most_points)
    moments = grid.moments
    history, line = backlog(accepted), waiting(records.requests)
    scaled, simulated = replayed(scenario, records, accepted, moments)
    found: dict[str, Any] = {
        **_requested(grid, records.requests, is_limited=scenario.is_limited),
        **_confirmed(grid, accepted),
        **_sampled(records),
    }
    return Series(
        width=grid.width,
        t=grid.seconds,
        backlog=[history.at(moment) for moment in moments],
        waiting=[line.at(moment) for moment in moments],
        oldest_seconds=oldest_age(accepted, moments),
        cold_starts=grid.counts([one.at for one in records.cold_starts]),
        workers=scaled,
        simulated_backlog=simulated,
        **found,
    )


def _requested(grid: _Grid, requests: Sequence[Request], *, is_limited: bool) -> dict[str, object]:
    """What was asked for, and what was answered at once."""
    refused = [request for request in requests if not request.is_accepted]
    answers = [(request.due, request.latency_seconds) for request in requests if request.is_accepted]
    by_reason: dict[str, list[float]] = {}
    for request in refused:
        by_reason.setdefault(refusal(request), []).append(request.done)
    return {
        "offered": grid.rate([request.due for request in requests]),
        "rejected": grid.rate([request.done for request in refused]),
        "rejected_by_reason": {reason: grid.rate(by_reason[reason]) for reason in sorted(by_reason)},
        "accept_p50": grid.curve(answers, 50),
        "accept_p95": grid.curve(answers, 95),
        "sold_out": grid.rate([request.done for request in refused if request.is_sold_out]) if is_limited else [],
    }


def _confirmed(grid: _Grid, accepted: Sequence[Life]) -> dict[str, object]:
    """What became of the orders that were taken."""
    waits = [(life.due, math.inf if life.ended is None else life.ended - life.due) for life in accepted]
    return {
        "accepted": grid.rate([life.accepted for life in accepted]),
        "completed": grid.rate([life.ended for life in accepted if life.ended is not None]),
        "confirmation_p50": grid.curve(waits, 50),
        "confirmation_p95": grid.curve(waits, 95),
    }


def _sampled(records: RunRecords) -> dict[str, object]:
    """What was looked at every second."""
    return {
        "sampled_t": [sample.at - records.started for sample in records.samples],
        "visible": [sample.visible for sample in records.samples],
        "in_flight": [sample.in_flight for sample in records.samples],
        "slots_busy": [sample.slots_busy for sample in records.samples],
        "units_available": _units(records, "available"),
        "units_reserved": _units(records, "reserved"),
        "units_sold": _units(records, "sold"),
    }


def _units(records: RunRecords, counter: Literal["available", "reserved", "sold"]) -> list[int]:
    """One of the counters of limited stock, added up over the products, at every sample; empty without stock."""
    if not records.stock:
        return []
    units: dict[float, int] = {}
    for one in records.stock:
        units[one.at] = units.get(one.at, 0) + getattr(one, counter)
    return [units.get(sample.at, 0) for sample in records.samples]


def replayed(
    scenario: Scenario, records: RunRecords, accepted: Sequence[Life], moments: Sequence[float]
) -> tuple[list[int], list[float | None]]:
    """The workers at each moment, and the backlog that the model computes for them; empty when nothing was changed."""
    if len(records.workers) <= 1:
        return [], []
    start = records.started
    schedule = [(max(0.0, change.at - start), change.workers) for change in records.workers]
    run = replay_schedule(
        [life.accepted - start for life in accepted],
        schedule,
        payment_seconds=scenario.payment_seconds,
        overhead_seconds=scenario.overhead_seconds,
        horizon_seconds=moments[-1] - start,
    )
    by_second = {moment.second: float(moment.backlog) for moment in run.moments}
    workers = [
        next((count for when, count in reversed(schedule) if when <= moment - start), schedule[0][1])
        for moment in moments
    ]
    return workers, [by_second.get(round(moment - start, 3)) for moment in moments]


def write_series(path: Path, curves: Series) -> None:
    """Write the curves as tidy CSV: one row per bin, one column per quantity and per reason of refusal.

    A sampled quantity is the last sample of its bin; empty where nothing was measured.
    """
    samples = {int(at // curves.width): index for index, at in enumerate(curves.sampled_t) if at >= 0}
    reasons = {f"rejected: {reason}": values for reason, values in curves.rejected_by_reason.items()}
    plain = (*COUNTED, *TIMED, *HELD)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["second", *plain, *SAMPLED, *reasons])
        for index, second in enumerate(curves.t):
            sample = samples.get(index)
            row = [second, *(getattr(curves, name)[index] for name in plain)]
            row += [None if sample is None else getattr(curves, name)[sample] for name in SAMPLED]
            writer.writerow([*row, *(values[index] for values in reasons.values())])
