"""A report of whatever is there: one run alone, or none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from load.analysis.results import Results, RunResult
from load.report.files import write_report

Make = Callable[[list[RunResult], str], Results]


@pytest.mark.parametrize("kind", ["demo", "lab"])
def test_a_run_of_each_kind_alone_makes_a_report(
    kind: str, tmp_path: Path, make_results: Make, demo_runs: list[RunResult], lab_runs: list[RunResult]
) -> None:
    found = demo_runs if kind == "demo" else lab_runs
    one_of_each = {(run.scenario.arm, run.scenario.is_limited): run for run in found}
    for run in one_of_each.values():
        page = write_report(tmp_path, make_results([run], kind)).read_text(encoding="utf-8")
        assert run.scenario.title in page
        assert page.count("<h1>") == 1


@pytest.mark.parametrize("kind", ["demo", "lab"])
def test_an_experiment_without_a_finished_run_says_what_is_missing(
    kind: str, tmp_path: Path, make_results: Make
) -> None:
    results = make_results([], kind).model_copy(update={"unfinished": ["ecs"], "failures": {"ecs": "it broke"}})
    page = write_report(tmp_path, results).read_text(encoding="utf-8")
    assert "Not measured" in page
    assert "it broke" in page
    assert "<h2>The order path" not in page


def test_a_queue_that_never_drains_makes_a_report(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    queue = demo_runs[1]
    endless = {"drain_is_extrapolated": True, "drain_seconds": float("inf"), "confirmation": None}
    run = queue.model_copy(update={"figures": queue.figures.model_copy(update=endless), "confirmation_quantiles": []})
    page = write_report(tmp_path, make_results([run], "lab")).read_text(encoding="utf-8")
    assert "never" in page
