"""The self-contained page around a report's body."""

import json
from collections.abc import Sequence
from pathlib import Path

from load.report.charts import Chart
from load.report.markup import text

HERE = Path(__file__).resolve().parent
UPLOT = HERE / "vendor" / "uplot"
# The page may load nothing: what it needs is inside.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def _asset(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def embedded_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def document(*, title: str, body: str, charts: Sequence[Chart]) -> str:
    """The whole page around `body`."""
    data = embedded_json([chart.model_dump(mode="json") for chart in charts])
    style = _asset(UPLOT / "uPlot.min.css") + "\n" + _asset(HERE / "page.css")
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<link rel="icon" href="data:,">',
            f"<title>{text(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            body,
            f'<script type="application/json" id="chart-data">{data}</script>',
            f"<script>{_asset(UPLOT / 'uPlot.iife.min.js')}</script>",
            f"<script>{_asset(HERE / 'page.js')}</script>\n</body>\n</html>\n",
        ]
    )


def page_header(title: str, kind: str, sentences: Sequence[str], *, pills: str = "", summary: str = "") -> str:
    """The bar, the title and the opening sentences; it leaves <main> open."""
    lead = "".join(f'<p class="verdict">{text(sentence)}</p>' for sentence in sentences)
    return (
        f'<header class="bar"><span>{text(kind)}</span>{pills}<span class="spring"></span>'
        '<button class="theme" type="button">Dark</button></header>\n'
        f'<main>\n<h1>{text(title)}</h1>\n<p class="summary">{text(summary)}</p>\n{lead}\n'
    )
