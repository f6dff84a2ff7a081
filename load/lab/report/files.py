"""Writes the three files of a report."""

from pathlib import Path

from load.lab.report.markdown import markdown
from load.lab.report.page import demo_page
from load.lab.results import Results


def write_report(folder: Path, results: Results) -> Path:
    """Write results.json, report.md and report.html into `folder`; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(markdown(results), encoding="utf-8")
    page = folder / "report.html"
    page.write_text(demo_page(results), encoding="utf-8")
    return page
