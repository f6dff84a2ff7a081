"""Several experiments side by side: what changed between them."""

from collections.abc import Sequence
from dataclasses import dataclass

from load.analysis.results import Results, RunResult
from load.report import markup, words
from load.report.answers import drain_text
from load.report.charts import Chart, Line
from load.report.console import STOCK_COLUMNS, stock_row
from load.report.differences import COMPARED, SEVERAL, difference, spread, unlike, written
from load.report.document import bar, document

PALETTE = ("s1", "s2", "s3", "s4", "s5", "s6")
NO_SPREAD = (
    "One run each: there is no spread, and a difference may be chance. Measure each side several times, and compare"
    " with --against."
)
Rows = Sequence[tuple[str, RunResult]]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a comparison: one experiment, or several of the same, each under its folder's name."""

    label: str
    experiments: tuple[tuple[str, Results], ...]

    def runs(self, scenario: str) -> Rows:
        """Its runs of this scenario, by experiment."""
        return [
            (label, run) for label, results in self.experiments for run in results.runs if run.scenario.name == scenario
        ]

    @property
    def scenarios(self) -> list[str]:
        """The scenarios that at least one of its experiments ran."""
        return [run.scenario.name for _, results in self.experiments for run in results.runs]


def sides(found: Sequence[tuple[str, Results]], against: Sequence[tuple[str, Results]] = ()) -> list[Side]:
    """All these experiments beside those of `against`; without any, each is a side of its own."""
    if against:
        return [Side(label="base", experiments=tuple(against)), Side(label="compared", experiments=tuple(found))]
    return [Side(label=label, experiments=((label, results),)) for label, results in found]


def comparison_page(compared: Sequence[Side]) -> str:
    """A page with one section per scenario that at least one of the sides ran; all differences are from the first."""
    names = dict.fromkeys(name for side in compared for name in side.scenarios)
    body = [bar("comparison") + "<h1>Comparison</h1>" + "".join(_introduced(side) for side in compared)]
    charts: list[Chart] = []
    warnings = unlike([results for side in compared for _, results in side.experiments])
    for name in names:
        rows = [row for side in compared for row in side.runs(name)]
        body.append(
            f"<h2>{markup.text(name)}</h2>"
            + _only(name, compared)
            + (f'<p class="note">{markup.text(warnings[name])}</p>' if name in warnings else "")
            + _table(name, rows)
            + _differences(name, compared)
        )
        chart = _backlogs(name, rows)
        charts.append(chart)
        body.append(f'<div class="charts wide"><div class="card">{markup.chart_place(chart)}</div></div>')
    body.append("</main>")
    return document(title="Comparison", body="\n".join(body), charts=charts)


def _introduced(side: Side) -> str:
    names = ", ".join(label for label, _ in side.experiments)
    number = words.number_of(len(side.experiments), "experiment")
    return (
        f"<p>{markup.text(side.label)}: {number}"
        + (f" ({markup.text(names)})" if names != side.label else "")
        + ".</p>"
    )


def _only(name: str, compared: Sequence[Side]) -> str:
    """Which sides did not run this scenario."""
    there = [side.label for side in compared if side.runs(name)]
    without = [side.label for side in compared if side.label not in there]
    if not without:
        return ""
    return f'<p class="note">Only in {markup.text(", ".join(there))}; not in {markup.text(", ".join(without))}.</p>'


def _differences(name: str, compared: Sequence[Side]) -> str:
    """Every other side's valid runs beside the first one's; limited stock bounds what these figures say."""
    usable = [
        (side.label, [run for _, run in side.runs(name) if run.valid and run.figures.stock is None])
        for side in compared
    ]
    (base, before), *others = [(label, runs) for label, runs in usable if runs] or [("", [])]
    if not others:
        return ""
    several = max(len(before), *(len(runs) for _, runs in others)) >= SEVERAL
    sums = [(base, before), *others] if several else []
    cells = [
        (f"{label}, {words.number_of(len(runs), 'run')}", *(written(one, spread(one, runs)) for one in COMPARED))
        for label, runs in sums
    ]
    cells += [
        (
            f"{label}: difference" if several else label,
            *(difference(spread(one, before), spread(one, runs)) for one in COMPARED),
        )
        for label, runs in others
    ]
    heads = ("experiment", *(one.name for one in COMPARED))
    table = markup.table(f"{name}: difference from {base}", heads, cells, titled=True)
    return table if several else f'{table}<p class="note">{markup.text(NO_SPREAD)}</p>'


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
                drain_text(run),
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
