"""What an experiment has found so far: its predictions, and a result for every run whose records are there."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from load.analysis.predicted import Predicted, predicted, write_predictions
from load.analysis.results import Results, RunResult, result, this_machine
from load.analysis.series import SERIES, series, write_series
from load.records import RunRecords, finished_run, run_folder
from load.scenario import Scenario, ScenarioFile


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


class Findings:
    """Collects the results of the scenarios of a file."""

    def __init__(self, *, file: ScenarioFile, kind: Literal["demo", "lab"], folder: Path) -> None:
        """Nothing is known yet."""
        self._file = file
        self._kind: Literal["demo", "lab"] = kind
        self._folder = folder
        self._started_at = _now()
        self._done: dict[str, RunResult] = {}

    def predict(self, scenario: Scenario) -> None:
        """Write down what the model says about a scenario that is still to run."""
        if finished_run(self._folder, scenario) is not None:
            return
        folder = run_folder(self._folder, scenario.folder_name)
        folder.mkdir(parents=True, exist_ok=True)
        write_predictions(folder, predicted(scenario))

    def take(self, scenario: Scenario, records: RunRecords) -> RunResult:
        """Work out a run's result, and its curves second by second beside its records."""
        found = result(scenario, records, self._predictions(scenario))
        folder = run_folder(self._folder, scenario.folder_name)
        folder.mkdir(parents=True, exist_ok=True)
        write_series(folder / SERIES, series(scenario, records))
        self._done[scenario.name] = found
        return found

    def _predictions(self, scenario: Scenario) -> list[Predicted]:
        """Computed again: the same scenario gives the same figures, and a file could have been edited."""
        return predicted(scenario) if self._kind == "lab" else []

    def results(self, *, failures: dict[str, str], interrupted: bool) -> Results:
        """Whatever there is so far."""
        order = [scenario.name for scenario in self._file.scenarios]
        return Results(
            kind=self._kind,
            title=self._file.title,
            summary=self._file.summary,
            started_at=self._started_at,
            finished_at=_now(),
            seed=self._file.seed,
            interrupted=interrupted,
            unfinished=[name for name in order if name not in self._done],
            failures=failures,
            machine=this_machine(),
            runs=[self._done[name] for name in order if name in self._done],
        )
