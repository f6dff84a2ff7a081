"""A series of runs in one embedded AWS: each isolated, finished ones kept, whatever exists reported."""

import asyncio
import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from load.folder import make_folder
from load.records import FINISHED, PREDICTED, RunRecords, finished_run, run_folder
from load.run.probes import ProbeError
from load.run.progress import Progress
from load.run.scenario_run import RunFailedError, run_scenario
from load.scenario import Scenario, ScenarioError, ScenarioFile
from local.emulator import RunningEmulator, emulator
from local.processes import ProcessFailedError
from local.stack import StackFailedError

REPORTS = Path("reports")
TAKEN = "a finished run is here already, of another scenario; take a new folder"
FAILURES = (RunFailedError, ProcessFailedError, StackFailedError, ProbeError)
# What is made of a run's records, and the line that says so.
Evaluate = Callable[[Scenario, RunRecords], str]


def new_folder(parent: Path = REPORTS) -> Path:
    """A folder named by the time, never one that exists (two experiments may start in the same second)."""
    stamp = datetime.now(UTC).astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ("", *(f"_{number}" for number in range(2, 100))):
        folder = parent / f"{stamp}{suffix}"
        try:
            make_folder(folder, is_new=True)
        except FileExistsError:
            continue
        return folder
    raise FileExistsError(f"{parent}/{stamp}: too many experiments in one second")


def clear(folder: Path) -> None:
    """Remove what an unfinished run left (its payment ledger above all), but not what was predicted.

    Raises ScenarioError for a finished run, which nothing may delete.
    """
    if (folder / FINISHED).exists():
        raise ScenarioError(f"{folder}: {TAKEN}")
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != PREDICTED:
            path.unlink()


class Experiment:
    """Runs the scenarios of a file, keeping what each left behind under `folder`/runs.

    `failures` says by name why a run could not be measured; `interrupted` that the rest was not begun.
    """

    def __init__(self, *, file: ScenarioFile, folder: Path, progress: Progress, evaluate: Evaluate) -> None:
        """Nothing starts yet."""
        self._file = file
        self._progress = progress
        self._evaluate = evaluate
        self.folder = folder
        self.failures: dict[str, str] = {}
        self.interrupted = False

    def ensure_own_folder(self) -> None:
        """Raise ScenarioError when the folder holds a finished run of a scenario of the same name, but another one."""
        for scenario in self._file.scenarios:
            folder = run_folder(self.folder, scenario.folder_name)
            if (folder / FINISHED).exists() and finished_run(self.folder, scenario) is None:
                raise ScenarioError(f"{folder}: {TAKEN}")

    async def run(self) -> None:
        """Run every group of scenarios, one group after the other, the members of a group at the same time.

        A run that cannot be measured is noted and the others go on. Cancellation sets `interrupted` and goes on up.
        """
        try:
            missing = [[one for one in group if not self._reuse(one)] for group in self._file.groups()]
            for scenario in (one for group in missing for one in group):
                await asyncio.to_thread(clear, run_folder(self.folder, scenario.folder_name))
            if any(missing):
                await self._measure(missing)
        except asyncio.CancelledError:
            self.interrupted = True
            raise

    async def _measure(self, groups: Sequence[Sequence[Scenario]]) -> None:
        async with emulator(self.folder / "logs") as running:
            for group in groups:
                async with asyncio.TaskGroup() as tasks:
                    for scenario in group:
                        tasks.create_task(self._one(scenario, running), name=f"run {scenario.name}")

    def _reuse(self, scenario: Scenario) -> bool:
        records = finished_run(self.folder, scenario)
        if records is None:
            return False
        self._evaluate(scenario, records)
        self._progress.finished(scenario.name, f"{scenario.name:<18} reused: it was finished before")
        return True

    async def _one(self, scenario: Scenario, running: RunningEmulator) -> None:
        folder = run_folder(self.folder, scenario.folder_name)
        try:
            records = await run_scenario(scenario, emulator=running, folder=folder, watch=self._progress)
        except FAILURES as exc:
            self.failures[scenario.name] = str(exc)
            self._progress.finished(scenario.name, f"{scenario.name:<18} could not be measured: {exc}")
            return
        line = await asyncio.to_thread(self._evaluate, scenario, records)
        marker = json.dumps(scenario.model_dump(mode="json"), indent=1) + "\n"
        await asyncio.to_thread((folder / FINISHED).write_text, marker, encoding="utf-8")
        self._progress.finished(scenario.name, line)
