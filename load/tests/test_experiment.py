"""Experiments without a shop: finished runs are reused, missing ones are named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from load.lab.experiment import Experiment, clear, new_folder
from load.lab.prediction import PREDICTED, read_predictions
from load.lab.progress import Progress
from load.lab.records import FINISHED, write_records
from load.lab.scenario import Scenario, ScenarioFile
from load.lab.testing import synthetic_run

Make = Callable[[ScenarioFile], Experiment]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def experiment(file: ScenarioFile) -> Experiment:
        return Experiment(file=file, kind="lab", folder=tmp_path, progress=Progress(Console(quiet=True)))

    return experiment


def finish(folder: Path, scenario: Scenario) -> None:
    run = folder / "runs" / scenario.folder_name
    write_records(run, synthetic_run(scenario))
    (run / FINISHED).write_text(json.dumps(scenario.model_dump(mode="json")), encoding="utf-8")


async def test_a_finished_run_is_reused_without_starting_anything(
    tmp_path: Path, make: Make, queue_scenario: Scenario
) -> None:
    finish(tmp_path, queue_scenario)
    experiment = make(ScenarioFile(title="T", scenarios=(queue_scenario,)))
    await experiment.predict()
    await experiment.run(together=[[queue_scenario]])
    results = experiment.results()
    assert [run.scenario.name for run in results.runs] == ["ecs:4"]
    assert results.runs[0].valid
    assert results.unfinished == []


async def test_a_run_of_another_scenario_is_not_reused(tmp_path: Path, make: Make, queue_scenario: Scenario) -> None:
    finish(tmp_path, queue_scenario)
    changed = queue_scenario.model_copy(update={"workers": 5})
    experiment = make(ScenarioFile(title="T", scenarios=(changed,)))
    assert experiment._finished(changed) is None
    assert experiment._finished(queue_scenario) is not None
    assert experiment.results().unfinished == ["ecs:4"]


async def test_predictions_are_written_before_the_runs_and_kept(
    tmp_path: Path, make: Make, queue_scenario: Scenario
) -> None:
    experiment = make(ScenarioFile(title="T", scenarios=(queue_scenario,)))
    await experiment.predict()
    names = {one.name for one in read_predictions(tmp_path / "runs" / "ecs-4")}
    assert {"offered", "completions, all slots busy", "peak backlog", "drain"} <= names
    finish(tmp_path, queue_scenario)
    path = tmp_path / "runs" / "ecs-4" / "predicted.json"
    before = path.stat().st_mtime_ns
    await experiment.predict()
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
