"""Several experiments side by side: what changed between them."""

import math
from collections.abc import Callable, Sequence

from load.analysis.results import Results, RunResult
from load.report import markup, words
from load.report.charts import Chart, Line
from load.report.console import STOCK_COLUMNS, stock_row
from load.report.document import bar, document

PALETTE = ("s1", "s2", "s3", "s4", "s5", "s6")
LEAST_RUNS = 2
Rows = Sequence[tuple[str, RunResult]]
COMPARED: dict[str, Callable[[RunResult], float | None]] = {
    "accepted": lambda run: run.figures.accepted,
    "accept p50": lambda run: run.figures.accept.p50 if run.figures.accept else None,
    "accept p95": lambda run: run.figures.accept.p95 if run.figures.accept else None,
    "confirmation p50": lambda run: run.figures.confirmation.p50 if run.figures.confirmation else None,
    "completions": lambda run: run.figures.completion_rate,
    "peak backlog": lambda run: run.figures.peak_backlog,
    "drain": lambda run: run.figures.drain_seconds,
}


def comparison_page(found: Sequence[tuple[str, Results]]) -> str:
    """A page with one section per scenario that at least one of the experiments ran."""
    names = dict.fromkeys(run.scenario.name for _, results in found for run in results.runs)
    body = [
        bar("comparison")
        + f"<h1>Comparison</h1><p>{len(found)} experiments: {markup.text(', '.join(name for name, _ in found))}.</p>"
    ]
    charts: list[Chart] = []
    for name in names:
        rows = [(label, run) for label, results in found for run in results.runs if run.scenario.name == name]
        body.append(
            f"<h2>{markup.text(name)}</h2>" + _only(rows, found) + _table(name, rows) + _differences(name, rows)
        )
        chart = _backlogs(name, rows)
        charts.append(chart)
        body.append(f'<div class="charts wide"><div class="card">{markup.chart_place(chart)}</div></div>')
    body.append("</main>")
    return document(title="Comparison", body="\n".join(body), charts=charts)


def _only(rows: Rows, found: Sequence[tuple[str, Results]]) -> str:
    """Which experiments did not run this scenario."""
    there = {label for label, _ in rows}
    without = [label for label, _ in found if label not in there]
    if not without:
        return ""
    return f'<p class="note">Only in {markup.text(", ".join(there))}; not in {markup.text(", ".join(without))}.</p>'


def _differences(name: str, rows: Rows) -> str:
    """Every other valid run beside the first one; limited stock bounds what these figures say."""
    usable = [(label, run) for label, run in rows if run.valid and run.figures.stock is None]
    if len(usable) < LEAST_RUNS:
        return ""
    (base, first), *others = usable
    cells = [
        (label, *(_difference(figure(first), figure(run)) for figure in COMPARED.values())) for label, run in others
    ]
    return markup.table(f"{name}: difference from {base}", ("experiment", *COMPARED), cells)


def _difference(before: float | None, after: float | None) -> str:
    if before is None or after is None or before == 0 or math.isinf(before) or math.isinf(after):
        return words.NOTHING
    return f"{100 * (after - before) / before:+.1f} %".replace("-", "−")


def _table(name: str, rows: Rows) -> str:
    if all(run.figures.stock is not None for _, run in rows):
        cells = [(label, "yes" if run.valid else "NO", *stock_row(run)[1:]) for label, run in rows]
        return markup.table(f"Figures of {name}", ("experiment", "valid", *STOCK_COLUMNS[1:]), cells)
    heads = (
        "experiment",
        "valid",
        "payment",
        "workers",
        "accepted",
        "accept p95",
        "completions",
        "peak backlog",
        "drain",
    )
    return markup.table(
        f"Figures of {name}",
        heads,
        [
            (
                label,
                "yes" if run.valid else "NO",
                words.seconds(run.scenario.payment_seconds),
                str(run.scenario.workers),
                f"{run.figures.accepted} of {run.figures.offered}",
                words.seconds(run.figures.accept.p95 if run.figures.accept else None),
                words.rate(run.figures.completion_rate),
                words.count(run.figures.peak_backlog),
                words.seconds(run.figures.drain_seconds) + (" *" if run.figures.drain_is_extrapolated else ""),
            )
            for label, run in rows
        ],
    )


def _backlogs(name: str, rows: Rows) -> Chart:
    longest = max((run.series.t for _, run in rows), key=lambda grid: (grid[-1], -len(grid)))
    width = max(run.series.width for _, run in rows)
    grid = [index * width for index in range(int(longest[-1] // width) + 1)]

    def on_grid(run: RunResult) -> list[float | None]:
        step = int(width // run.series.width)
        values: list[float | None] = list(run.series.backlog[::step])
        return (values + [None] * len(grid))[: len(grid)]

    return Chart(
        id=name.replace(":", "-").replace(".", "-"),
        title="Backlog",
        alt="; ".join(f"{label}: peak {run.figures.peak_backlog}" for label, run in rows),
        group=name,
        unit="",
        x=grid,
        lines=[
            Line(label=label, color=PALETTE[index % len(PALETTE)], values=on_grid(run))
            for index, (label, run) in enumerate(rows)
        ],
        x_max=grid[-1] or 1.0,
    )
