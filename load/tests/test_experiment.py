"""Experiments without a shop: finished runs are reused, missing ones are named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from load.analysis.findings import Findings
from load.records import PREDICTED, finished_run
from load.run.experiment import Experiment, clear, new_folder
from load.run.progress import Progress
from load.scenario import Scenario, ScenarioError, ScenarioFile
from load.tests.synthetic import synthetic_run, write_synthetic_run

Make = Callable[[ScenarioFile], tuple[Experiment, Findings]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def parts(file: ScenarioFile) -> tuple[Experiment, Findings]:
        findings = Findings(file=file, kind="lab", folder=tmp_path)
        experiment = Experiment(
            file=file,
            folder=tmp_path,
            progress=Progress(Console(quiet=True)),
            evaluate=lambda scenario, records: findings.take(scenario, records).scenario.name,
        )
        return experiment, findings

    return parts


async def test_a_finished_run_is_reused_without_starting_anything(
    tmp_path: Path, make: Make, queue_scenario: Scenario
) -> None:
    write_synthetic_run(tmp_path, queue_scenario)
    experiment, findings = make(ScenarioFile(title="T", scenarios=(queue_scenario,)))
    await experiment.run()
    results = findings.results(failures=experiment.failures, interrupted=experiment.interrupted)
    assert [run.scenario.name for run in results.runs] == ["ecs:4"]
    assert results.runs[0].valid
    assert results.unfinished == []


async def test_a_finished_run_of_another_scenario_is_neither_reused_nor_deleted(
    tmp_path: Path, make: Make, queue_scenario: Scenario
) -> None:
    write_synthetic_run(tmp_path, queue_scenario)
    changed = queue_scenario.model_copy(update={"workers": 5})
    experiment, findings = make(ScenarioFile(title="T", scenarios=(changed,)))
    with pytest.raises(ScenarioError, match="ecs-4: a finished run is here already"):
        await experiment.run()
    assert findings.results(failures={}, interrupted=False).unfinished == ["ecs:4"]
    assert finished_run(tmp_path, changed) is None
    kept = finished_run(tmp_path, queue_scenario)
    assert kept is not None
    assert kept.requests == synthetic_run(queue_scenario).requests


def test_predictions_are_written_before_the_runs_and_kept(tmp_path: Path, make: Make, queue_scenario: Scenario) -> None:
    _, findings = make(ScenarioFile(title="T", scenarios=(queue_scenario,)))
    findings.predict(queue_scenario)
    path = tmp_path / "runs" / "ecs-4" / PREDICTED
    names = {one["name"] for one in json.loads(path.read_bytes())}
    assert {"offered", "completions, all slots busy", "peak backlog", "drain"} <= names
    write_synthetic_run(tmp_path, queue_scenario)
    before = path.stat().st_mtime_ns
    findings.predict(queue_scenario)
    assert path.stat().st_mtime_ns == before


def test_nothing_of_an_unfinished_run_is_left_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gateway.sqlite3").write_text("charges", encoding="utf-8")
    (tmp_path / "journal.ndjson").write_text("{}", encoding="utf-8")
    (tmp_path / PREDICTED).write_text("[]", encoding="utf-8")
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [PREDICTED]
    clear(tmp_path / "none")


def test_two_experiments_in_one_second_get_two_folders(tmp_path: Path) -> None:
    folders = {new_folder(tmp_path) for _ in range(3)}
    assert len(folders) == 3
    assert all(folder.is_dir() for folder in folders)
