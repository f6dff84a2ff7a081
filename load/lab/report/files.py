"""Writes the three files of a report, and reads the one that programs read."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from load.lab.report.comparison import comparison_page
from load.lab.report.markdown import markdown
from load.lab.report.page import demo_page
from load.lab.report.study import study_page
from load.lab.results import Results
from load.lab.scenario import ScenarioError
from load.model import load_prices

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
    """Read an experiment's results.json; raises ScenarioError when it is none."""
    path = folder / RESULTS
    try:
        return Results.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as exc:
        raise ScenarioError(f"{path}: {exc}") from exc


def write_comparison(folder: Path, found: Sequence[tuple[Path, Results]]) -> Path:
    """Write a page that sets several experiments side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    page.write_text(comparison_page([(path.name, results) for path, results in found]), encoding="utf-8")
    return page
