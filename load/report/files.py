"""Writes the three files of a report, and reads the one that programs read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from load.analysis.predicted import read_predictions
from load.analysis.results import Results, RunResult, result
from load.model import load_prices
from load.records import FINISHED, read_records, run_folder
from load.report.comparison import comparison_page
from load.report.markdown import markdown
from load.report.page import demo_page
from load.report.study import study_page
from load.scenario import Scenario, ScenarioError

RESULTS = "results.json"
PAGE = "report.html"


def write_report(folder: Path, results: Results, *, prices: Path | None = None) -> Path:
    """Write results.json, report.md and report.html into `folder`; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    price_list = load_prices(prices)
    (folder / "report.md").write_text(markdown(results, price_list), encoding="utf-8")
    page = folder / PAGE
    page.write_text(study_page(results, price_list) if results.kind == "lab" else demo_page(results), encoding="utf-8")
    return page


def read_results(folder: Path) -> Results:
    """Read an experiment: figures and checks are worked out anew from the runs' records, where these are still there.

    Raises ScenarioError when the folder holds no results.
    """
    path = folder / RESULTS
    try:
        content = json.loads(path.read_bytes())
        content["runs"] = [_run(folder, entry) for entry in content["runs"]]
        return Results.model_validate(content)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(f"{path}: {where}: {first['msg']}") from exc
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise ScenarioError(f"{path}: {exc}") from exc


def _run(folder: Path, entry: dict[str, Any]) -> RunResult:
    scenario = Scenario.model_validate(entry["scenario"])
    records = run_folder(folder, scenario.folder_name)
    if not (records / FINISHED).exists():
        return RunResult.model_validate(entry)
    return result(scenario, read_records(records), read_predictions(records))


def write_comparison(folder: Path, found: Sequence[tuple[Path, Results]]) -> Path:
    """Write a page that sets several experiments side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    page.write_text(comparison_page([(path.name, results) for path, results in found]), encoding="utf-8")
    return page
