"""A series of runs in one embedded AWS: each isolated, finished ones reused, whatever exists reported."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from load.lab import words
from load.lab.prediction import PREDICTED, predicted, read_predictions, write_predictions
from load.lab.progress import Progress
from load.lab.records import FINISHED, RunRecords, read_records, run_folder
from load.lab.results import Results, RunResult, result, this_machine
from load.lab.scenario import Arm, Scenario, ScenarioFile
from load.lab.series import SERIES, series, write_series
from load.lab.trial import TrialError, run_trial
from load.lab.witnesses import WitnessError
from local.emulator import RunningEmulator, emulator
from local.processes import ProcessFailedError
from local.stack import StackFailedError

REPORTS = Path("reports")
FAILURES = (TrialError, ProcessFailedError, StackFailedError, WitnessError)


def new_folder(parent: Path = REPORTS) -> Path:
    """A folder named by the time, never one that exists (two experiments may start in the same second)."""
    stamp = datetime.now(UTC).astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ("", *(f"_{number}" for number in range(2, 100))):
        folder = parent / f"{stamp}{suffix}"
        try:
            folder.mkdir(parents=True, exist_ok=False)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent}/{stamp}: too many experiments in one second")


def clear(folder: Path) -> None:
    """Remove what an unfinished run left (its payment ledger above all), but not what was predicted."""
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != PREDICTED:
            path.unlink()


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


class Experiment:
    """Runs the scenarios of a file, keeping what each left behind under `folder`/runs."""

    def __init__(self, *, file: ScenarioFile, kind: Literal["demo", "lab"], folder: Path, progress: Progress) -> None:
        """Nothing starts yet."""
        self._file = file
        self._kind = kind
        self.folder = folder
        self._progress = progress
        self._started_at = _now()
        self._done: dict[str, RunResult] = {}
        self._failed: dict[str, str] = {}
        self.interrupted = False

    def _run_folder(self, scenario: Scenario) -> Path:
        return run_folder(self.folder, scenario.folder_name)

    def _finished(self, scenario: Scenario) -> RunRecords | None:
        """The records of an earlier, finished run of exactly this scenario."""
        marker = self._run_folder(scenario) / FINISHED
        if not marker.exists():
            return None
        same = Scenario.model_validate_json(marker.read_bytes()) == scenario
        return read_records(self._run_folder(scenario)) if same else None

    async def run(self, *, together: Sequence[Sequence[Scenario]]) -> None:
        """Run every group of scenarios, one group after the other, the members of a group at the same time.

        A run that cannot be measured is noted and the others go on. Cancellation sets `interrupted` and goes on up.
        """
        try:
            missing = [[one for one in group if not self._reuse(one)] for group in together]
            if any(missing):
                async with emulator(self.folder / "logs") as running:
                    for group in missing:
                        async with asyncio.TaskGroup() as tasks:
                            for scenario in group:
                                tasks.create_task(self._one(scenario, running), name=f"run {scenario.name}")
        except asyncio.CancelledError:
            self.interrupted = True
            raise

    async def predict(self) -> None:
        """Write down what the model says about every scenario that is still to run."""
        for scenario in self._file.scenarios:
            await asyncio.to_thread(self._predict, scenario)

    def _predict(self, scenario: Scenario) -> None:
        folder = self._run_folder(scenario)
        if self._finished(scenario) is not None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder, predicted(scenario))

    def _reuse(self, scenario: Scenario) -> bool:
        records = self._finished(scenario)
        if records is None:
            return False
        self._done[scenario.name] = result(scenario, records, read_predictions(self._run_folder(scenario)))
        self._progress.say(f"{scenario.name:<18} reused: it was finished before")
        return True

    async def _one(self, scenario: Scenario, running: RunningEmulator) -> None:
        folder = self._run_folder(scenario)
        await asyncio.to_thread(clear, folder)
        try:
            records = await run_trial(scenario, emulator=running, folder=folder, watch=self._progress)
        except FAILURES as exc:
            self._failed[scenario.name] = str(exc)
            self._progress.finished(scenario.name, f"{scenario.name:<18} could not be measured: {exc}")
            return
        found = await asyncio.to_thread(result, scenario, records, read_predictions(self._run_folder(scenario)))
        await asyncio.to_thread(write_series, folder / SERIES, series(scenario, records))
        marker = json.dumps(scenario.model_dump(mode="json"), indent=1) + "\n"
        await asyncio.to_thread((folder / FINISHED).write_text, marker, encoding="utf-8")
        self._done[scenario.name] = found
        self._progress.finished(scenario.name, _summary(found))

    def results(self) -> Results:
        """Whatever there is so far."""
        order = [scenario.name for scenario in self._file.scenarios]
        return Results(
            kind=self._kind,
            title=self._file.title,
            summary=self._file.summary,
            started_at=self._started_at,
            finished_at=_now(),
            seed=self._file.seed,
            interrupted=self.interrupted,
            unfinished=[name for name in order if name not in self._done],
            failures=self._failed,
            machine=this_machine(),
            runs=[self._done[name] for name in order if name in self._done],
        )


def _summary(run: RunResult) -> str:
    figures, stock = run.figures, run.figures.stock
    end = (
        "paid in the request" if run.scenario.arm is Arm.SYNC else f"drained in {words.seconds(figures.drain_seconds)}"
    )
    if figures.drain_is_extrapolated:
        end = f"would drain in {words.seconds(figures.drain_seconds)} (extrapolated)"
    if stock is not None:
        return (
            f"{run.scenario.name:<18} {'VALID  ' if run.valid else 'INVALID'} {stock.sold} of {stock.units} units sold,"
            f" {stock.sold_out} buyers told “sold out”, {stock.left} left, {stock.oversold} oversold, {end}"
        )
    return (
        f"{run.scenario.name:<18} {'VALID  ' if run.valid else 'INVALID'} {figures.accepted} of {figures.offered}"
        f" accepted, {figures.completed} completed, peak backlog {figures.peak_backlog}, {end}"
    )
