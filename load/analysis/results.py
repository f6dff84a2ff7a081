"""results.json: what a demo or a lab run found, for programs. docs/results.md describes the fields."""

import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from load.analysis.checks import HEADLINES, Check, validate
from load.analysis.figures import Figures, PhaseFigures, figures
from load.analysis.percentiles import quantiles
from load.analysis.predicted import Predicted, PredictedValue, compare, predicted
from load.analysis.series import MOST_POINTS, Series, series
from load.analysis.timeline import lives
from load.records import RunRecords
from load.scenario import Scenario

SCHEMA = "flash-sale/results/1"
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


class ProcessUse(Frozen):
    """What one process used while the load ran: percent of one core, megabytes."""

    process: str
    cpu_mean_percent: float
    cpu_max_percent: float
    rss_max_mb: float


class RunResult(Frozen):
    """One run.

    `confirmation_quantiles` are the seconds within which so many percent of the accepted orders had ended: the index is
    the percent, and the list is shorter when some had not. `true_predictions` are what the model says of the scenario
    that a scaled one stands for.
    """

    scenario: Scenario
    valid: bool
    checks: list[Check]
    figures: Figures
    bands: list[Band]
    series: Series
    confirmation_quantiles: list[float] = []
    processes: list[ProcessUse]
    predictions: list[PredictedValue] = []
    true_predictions: list[Predicted] = []

    @property
    def folded_checks(self) -> list[Check]:
        """All that hold and are no headlines: the records agree."""
        return [check for check in self.checks if check.name not in HEADLINES and check.ok]

    @property
    def peak(self) -> PhaseFigures:
        """The phase with the most load."""
        name = self.scenario.peak_phase.name
        return next((phase for phase in self.figures.phases if phase.name == name), self.figures.phases[-1])


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

    @property
    def names(self) -> list[str]:
        """What the runs are called, those that were not measured included."""
        return [*(run.scenario.name for run in self.runs), *self.unfinished]

    @property
    def usable(self) -> list[RunResult]:
        """The runs whose figures may be used: those that passed every check."""
        return [run for run in self.runs if run.valid]


def result(scenario: Scenario, records: RunRecords, predictions: Sequence[Predicted] = ()) -> RunResult:
    """Everything worked out from one run's records."""
    checks = validate(scenario, records)
    found = figures(scenario, records)
    start = records.started
    return RunResult(
        scenario=scenario,
        valid=all(check.holds for check in checks),
        checks=checks,
        figures=found,
        bands=[Band(name=phase.name, start=phase.started - start, end=phase.ended - start) for phase in records.phases],
        series=series(scenario, records, most_points=MOST_POINTS),
        confirmation_quantiles=quantiles(
            [math.inf if life.ended is None else life.ended - life.due for life in lives(records)]
        ),
        processes=process_use(records),
        predictions=compare(scenario, list(predictions), found),
        true_predictions=predicted(scenario.stands_for) if scenario.stands_for and predictions else [],
    )


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
