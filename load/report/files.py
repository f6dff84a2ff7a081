"""Writes the three files of a report, and reads the one that programs read."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from load.analysis.predicted import predicted
from load.analysis.results import Results, RunResult, result
from load.folder import make_folder, read_outline
from load.model import load_prices
from load.records import FINISHED, finished_run, finished_scenario, run_folder
from load.report.comparison import comparison_page, sides
from load.report.markdown import markdown
from load.report.page import report_page
from load.report.study import answers
from load.rows import RecordsError
from load.scenario import Scenario, ScenarioError, first_error

RESULTS = "results.json"
PAGE = "report.html"
LOST = "its records are not in the folder; figures without records are not shown"


def write_report(folder: Path, results: Results, *, prices: Path | None = None) -> Path:
    """Write results.json, report.md and report.html into `folder`; returns the page's path."""
    make_folder(folder)
    (folder / RESULTS).write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    price_list = load_prices(prices)
    found = answers(results, price_list)
    (folder / "report.md").write_text(markdown(results, found), encoding="utf-8")
    page = folder / PAGE
    page.write_text(report_page(results, found, price_list), encoding="utf-8")
    return page


def read_results(folder: Path) -> Results:
    """Read an experiment. Every figure, check and prediction is worked out anew from the records of its finished runs.

    results.json only tells where and when they were measured; nothing else in it is believed. A run whose records
    cannot be read is named among the failures. Raises ScenarioError when the folder holds no results.
    """
    path = folder / RESULTS
    try:
        content = json.loads(path.read_bytes())
        told = {entry["scenario"]["name"]: entry for entry in content["runs"]}
        outline = read_outline(folder)
        scenarios = list(outline.file.scenarios) if outline else _finished_scenarios(folder, list(told))
        if outline is not None:
            content |= {"kind": outline.kind} | outline.file.model_dump(include={"title", "summary", "seed"})
        runs, unread = _runs(folder, scenarios, is_lab=content["kind"] == "lab")
        missing = [*(one.name for one in scenarios), *told, *content["unfinished"]]
        unfinished = [name for name in dict.fromkeys(missing) if name not in {run.scenario.name for run in runs}]
        failures = content.get("failures", {}) | {name: LOST for name in unfinished if name in told} | unread
        return Results.model_validate(content | {"runs": runs, "unfinished": unfinished, "failures": failures})
    except ValidationError as exc:
        raise ScenarioError(f"{path}: {first_error(exc)}") from exc
    except (KeyError, TypeError) as exc:
        raise ScenarioError(f"{path}: not the results of an experiment ({exc})") from exc
    except (OSError, ValueError) as exc:
        raise ScenarioError(f"{path}: {exc}") from exc


def _finished_scenarios(folder: Path, order: list[str]) -> list[Scenario]:
    """Of every finished run in a folder without an outline, those that results.json names first."""
    markers = sorted(run_folder(folder, "").glob(f"*/{FINISHED}"))
    found = [finished_scenario(marker.parent) for marker in markers]
    return sorted(found, key=lambda one: order.index(one.name) if one.name in order else len(order))


def _runs(folder: Path, scenarios: Sequence[Scenario], *, is_lab: bool) -> tuple[list[RunResult], dict[str, str]]:
    """The runs that were finished; and by name, why the records of one cannot be read."""
    runs: list[RunResult] = []
    unread: dict[str, str] = {}
    for scenario in scenarios:
        try:
            records = finished_run(folder, scenario)
        except RecordsError as exc:
            unread[scenario.name] = str(exc)
            continue
        if records is not None:
            runs.append(result(scenario, records, predicted(scenario) if is_lab else []))
    return runs, unread


def write_comparison(
    folder: Path, found: Sequence[tuple[Path, Results]], *, against: Sequence[tuple[Path, Results]] = ()
) -> Path:
    """Write a page that sets several experiments side by side."""
    make_folder(folder)
    page = folder / PAGE
    page.write_text(comparison_page(sides(_named(found), _named(against))), encoding="utf-8")
    return page


def _named(found: Sequence[tuple[Path, Results]]) -> list[tuple[str, Results]]:
    return [(path.name, results) for path, results in found]
