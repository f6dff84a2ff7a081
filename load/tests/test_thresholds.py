"""Thresholds for CI: what they say of a figure, and what they make of nonsense."""

from pathlib import Path

import pytest

from load.__main__ import main
from load.analysis.results import RunResult, result
from load.analysis.thresholds import broken, thresholds
from load.folder import Outline, write_outline
from load.scenario import Scenario, ScenarioError, ScenarioFile
from load.tests.synthetic import synthetic_run, write_synthetic_run


@pytest.fixture
def run(queue_scenario: Scenario) -> RunResult:
    return result(queue_scenario, synthetic_run(queue_scenario))


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("ecs:4.accept_p99 > 0.25", None),
        ("ecs:4.accept_p99 > 0.001", "ecs:4.accept_p99 > 0.001: it is 0.0"),
        ("ecs:4.acceptance_percent<100", None),
        ("ecs:4.acceptance_percent <= 100", "ecs:4.acceptance_percent <= 100: it is 100"),
        ("ecs:4.drain_seconds  >=  1", "ecs:4.drain_seconds >= 1: it is "),
        ("ecs:4.cold_start_seconds_p50 > 1", "ecs:4.cold_start_seconds_p50 > 1: not measured"),
    ],
)
def test_a_threshold_says_what_a_figure_is(run: RunResult, condition: str, sentence: str | None) -> None:
    found = broken(thresholds([condition], ["ecs:4"]), [run])
    assert len(found) == (sentence is not None)
    assert all(one.startswith(str(sentence)) for one in found)


def test_a_run_that_was_not_measured_breaks_its_threshold() -> None:
    assert broken(thresholds(["ecs:4.completed < 1"], ["ecs:4"]), []) == ["ecs:4.completed < 1: not measured"]


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("ecs:4.accept_p99", "must be like"),
        ("ecs:4.accept_p99 > fast", "must be like"),
        ("ecs:5.accept_p99 > 1", "no run is called ecs:5; there are: ecs:4"),
        ("ecs:4.accept_p98 > 1", "no figure is called accept_p98; there are: .*accept_p99"),
    ],
)
def test_nonsense_gets_a_sentence(condition: str, sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        thresholds([condition], ["ecs:4"])


def test_the_exit_code_says_it(tmp_path: Path, queue_scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    write_outline(tmp_path, Outline(kind="demo", file=ScenarioFile(title="T", scenarios=(queue_scenario,))))
    write_synthetic_run(tmp_path, queue_scenario)
    assert main(["lab", "--resume", str(tmp_path), "--fail-if", "ecs:4.peak_backlog > 0"]) == 1
    assert "ecs:4.peak_backlog > 0: it is " in capsys.readouterr().out
    assert main(["report", str(tmp_path), "--fail-if", "ecs:4.peak_backlog > 9999"]) == 0
    assert main(["report", str(tmp_path), "--fail-if", "ecs:4.peak_backlog > 0"]) == 1
    assert main(["report", str(tmp_path), "--fail-if", "ecs:4.speed > 0"]) == 2
