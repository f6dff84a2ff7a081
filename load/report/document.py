"""The self-contained page around a report's body."""

import json
from collections.abc import Sequence
from pathlib import Path

from load.report.charts import Chart
from load.report.markup import text

ASSETS = Path(__file__).resolve().parent / "assets"
STYLES = ("uplot/uPlot.min.css", "page.css", "order_path.css")
# They share one scope, in this order.
SCRIPTS = (
    "format.js",
    "annotations.js",
    "zoom.js",
    "charts.js",
    "tools.js",
    "order_model.js",
    "order_path.js",
    "page.js",
)
# The page may load nothing: what it needs is inside.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def asset(name: str) -> str:
    """One of the files that the page is made of."""
    return (ASSETS / name).read_text(encoding="utf-8")


def _script() -> str:
    return '"use strict";\n(() => {\n' + "\n".join(asset(name) for name in SCRIPTS) + "})();"


def embedded_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def document(*, title: str, body: str, charts: Sequence[Chart]) -> str:
    """The whole page around `body`."""
    data = embedded_json([chart.model_dump(mode="json") for chart in charts])
    style = "\n".join(asset(name) for name in STYLES)
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
            f"<script>{asset('uplot/uPlot.iife.min.js')}</script>",
            f"<script>{_script()}</script>\n</body>\n</html>\n",
        ]
    )


def bar(kind: str, *, pills: str = "", contents: Sequence[tuple[str, str]] = ()) -> str:
    """The bar that stays in sight: what this is, where its parts are (id and short name). It leaves <main> open."""
    links = "".join(f'<a href="#{text(place)}">{text(name)}</a>' for place, name in contents)
    toc = f'<nav class="toc" aria-label="Contents">{links}</nav>' if contents else '<span class="spring"></span>'
    return (
        f'<header class="bar"><div><span class="kind">{text(kind)}</span>{pills}{toc}'
        '<button class="theme" type="button">Dark</button></div></header>\n<main>\n'
    )
