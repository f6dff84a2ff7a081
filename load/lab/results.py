"""results.json: what a demo or a lab run found, for programs. docs/results.md describes the fields."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from load.lab.figures import Figures, figures, percentile
from load.lab.prediction import Predicted, PredictedValue, compare
from load.lab.records import RunRecords
from load.lab.scenario import Scenario
from load.lab.timeline import Life, backlog, bins, grouped, lives, oldest_age, waiting
from load.lab.validity import Check, validate
from load.model import replay_schedule

SCHEMA = "flash-sale/results/1"
MOST_POINTS = 900
PACKAGES = ("aiobotocore", "aiohttp", "pydantic", "locust", "troposphere", "flashmsg", "flashpay", "order-api")


class Frozen(BaseModel):
    """An immutable piece of the results."""

    # A backlog that never drains takes "Infinity" seconds; JSON has no number for that.
    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")


class Band(Frozen):
    """A phase on the time axis; seconds from the beginning of the run."""

    name: str
    start: float
    end: float


class Series(Frozen):
    """Curves on one grid: `t` in seconds from the beginning of the load, each point `width` seconds long.

    Counts hold at the beginning of a bin, rates are per second within it, latencies (seconds) are percentiles of the
    orders due within it. `sampled_t` is the grid of what was sampled. Where the workers were changed during the run,
    `workers` says how many there were, and `simulated_backlog` what the model makes of the same arrivals and changes.
    """

    width: float
    t: list[float]
    backlog: list[int]
    waiting: list[int]
    oldest_seconds: list[float]
    offered: list[float]
    accepted: list[float]
    rejected: list[float]
    completed: list[float]
    accept_p50: list[float | None]
    accept_p95: list[float | None]
    confirmation_p50: list[float | None]
    confirmation_p95: list[float | None]
    sampled_t: list[float]
    visible: list[int]
    in_flight: list[int]
    slots_busy: list[float]
    workers: list[int] = []
    simulated_backlog: list[float | None] = []


class ProcessUse(Frozen):
    """What one process used while the load ran: percent of one core, megabytes."""

    process: str
    cpu_mean_percent: float
    cpu_max_percent: float
    rss_max_mb: float


class RunResult(Frozen):
    """One run."""

    scenario: Scenario
    valid: bool
    checks: list[Check]
    figures: Figures
    bands: list[Band]
    series: Series
    processes: list[ProcessUse]
    predictions: list[PredictedValue] = []


class Machine(Frozen):
    """Where it was measured."""

    system: str
    processor: str
    cores: int
    memory_gb: float
    python: str
    versions: dict[str, str]


class Results(Frozen):
    """The whole file."""

    schema_name: str = SCHEMA
    kind: Literal["demo", "lab"]
    title: str
    summary: str
    started_at: str
    finished_at: str
    seed: int
    interrupted: bool
    unfinished: list[str]
    failures: dict[str, str] = {}
    machine: Machine
    runs: list[RunResult]

    @property
    def valid(self) -> bool:
        """Whether every run is."""
        return all(run.valid for run in self.runs)


def result(scenario: Scenario, records: RunRecords, predictions: Sequence[Predicted] = ()) -> RunResult:
    """Everything worked out from one run's records."""
    checks = validate(scenario, records)
    found = figures(scenario, records)
    start = records.started
    return RunResult(
        scenario=scenario,
        valid=all(check.ok for check in checks),
        checks=checks,
        figures=found,
        bands=[Band(name=phase.name, start=phase.started - start, end=phase.ended - start) for phase in records.phases],
        series=series(scenario, records),
        processes=process_use(records),
        predictions=compare(scenario, list(predictions), found),
    )


def series(scenario: Scenario, records: RunRecords) -> Series:
    """The curves, on a grid of at most MOST_POINTS points."""
    accepted = lives(records)
    start = records.started
    ends = [life.ended for life in accepted if life.ended is not None]
    last = max([records.load_ended, *ends, *(request.done for request in records.requests)])
    width = 1.0
    while (last - start) / width > MOST_POINTS:
        width *= 2
    count = int((last - start) // width) + 2
    moments = [start + index * width for index in range(count)]
    history, line = backlog(accepted), waiting(records.requests)

    def rate(times: list[float]) -> list[float]:
        return [number / width for number in bins(times, start=start, width=width, count=count)]

    def curve(pairs: list[tuple[float, float]], percent: float) -> list[float | None]:
        return grouped(
            pairs,
            start=start,
            width=width,
            count=count,
            reduce=lambda values: percentile(sorted(values), percent),
        )

    answers = [(request.due, request.latency_seconds) for request in records.requests if request.is_accepted]
    confirmations = [(life.due, life.ended - life.due) for life in accepted if life.ended is not None]
    scaled, simulated = replayed(scenario, records, accepted, moments)
    return Series(
        workers=scaled,
        simulated_backlog=simulated,
        width=width,
        t=[index * width for index in range(count)],
        backlog=[history.at(moment) for moment in moments],
        waiting=[line.at(moment) for moment in moments],
        oldest_seconds=oldest_age(accepted, moments),
        offered=rate([request.due for request in records.requests]),
        accepted=rate([life.accepted for life in accepted]),
        rejected=rate([request.done for request in records.requests if not request.is_accepted]),
        completed=rate(ends),
        accept_p50=curve(answers, 50),
        accept_p95=curve(answers, 95),
        confirmation_p50=curve(confirmations, 50),
        confirmation_p95=curve(confirmations, 95),
        sampled_t=[sample.at - start for sample in records.samples],
        visible=[sample.visible for sample in records.samples],
        in_flight=[sample.in_flight for sample in records.samples],
        slots_busy=[sample.slots_busy for sample in records.samples],
    )


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


def process_use(records: RunRecords) -> list[ProcessUse]:
    """CPU and memory of each process between the load's beginning and its end."""
    uses = []
    for name in dict.fromkeys(sample.process for sample in records.processes):
        rows = [
            row for row in records.processes if row.process == name and records.started <= row.at <= records.load_ended
        ]
        if rows:
            uses.append(
                ProcessUse(
                    process=name,
                    cpu_mean_percent=sum(row.cpu_percent for row in rows) / len(rows),
                    cpu_max_percent=max(row.cpu_percent for row in rows),
                    rss_max_mb=max(row.rss_bytes for row in rows) / 1e6,
                )
            )
    return uses


def this_machine() -> Machine:
    """Describe this machine, without its name."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=_processor() or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        python=sys.version.split()[0],
        versions=versions,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(Results.model_json_schema(), indent=1) + "\n")
