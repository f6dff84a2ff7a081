"""report.html: one file that opens from disk with no network."""

import json
from collections.abc import Sequence
from pathlib import Path

from load.lab import words
from load.lab.report import markup
from load.lab.report.charts import Chart, limits, run_charts
from load.lab.report.markup import text
from load.lab.report.verdict import PATHS, verdict
from load.lab.results import Results, RunResult
from load.lab.scenario import Arm
from load.lab.table import COLUMNS, row

HERE = Path(__file__).resolve().parent
UPLOT = HERE.parent / "vendor" / "uplot"
GOOD_PERCENT = 99.95


def _asset(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def embedded_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def document(*, title: str, body: str, charts: Sequence[Chart]) -> str:
    """The whole page around `body`."""
    data = embedded_json([chart.model_dump(mode="json") for chart in charts])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        # The page may load nothing: what it needs is inside.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
        " script-src 'unsafe-inline'; img-src data:\">\n"
        '<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>\n{_asset(UPLOT / 'uPlot.min.css')}\n{_asset(HERE / 'page.css')}</style>\n"
        f"</head>\n<body>\n{body}\n"
        f'<script type="application/json" id="chart-data">{data}</script>\n'
        f"<script>{_asset(UPLOT / 'uPlot.iife.min.js')}</script>\n<script>{_asset(HERE / 'page.js')}</script>\n"
        "</body>\n</html>\n"
    )


def header(results: Results) -> str:
    """Title, state, verdict."""
    state = markup.pill(results.valid and not results.unfinished)
    partial = '<span class="pill bad">PARTIAL</span>' if results.unfinished else ""
    sentences = "".join(f'<p class="verdict">{text(sentence)}</p>' for sentence in verdict(results))
    return (
        f'<header class="bar"><span>{text(results.kind)} · {text(results.started_at.replace("T", " ")[:16])}</span>{state}{partial}'
        '<span class="spring"></span><button class="theme" type="button">Dark</button></header>\n'
        f'<main>\n<h1>{text(results.title)}</h1>\n<p class="summary">{text(results.summary)}</p>\n{sentences}\n'
    )


def arm_card(run: RunResult) -> str:
    """One run at a glance."""
    figures = run.figures
    good = "good" if figures.acceptance_percent >= GOOD_PERCENT else "bad"
    accept, confirmation, cold = figures.accept, figures.confirmation, figures.cold_start_seconds
    pairs = [
        ("orders offered", words.count(figures.offered)),
        ("answer, p50 / p95", words.several(accept.p50, accept.p95) if accept else words.NOTHING),
        ("paid and recorded", words.count(figures.completed)),
        (
            "confirmation, p50 / p95",
            words.several(confirmation.p50, confirmation.p95) if confirmation else words.NOTHING,
        ),
    ]
    if run.scenario.arm is Arm.SYNC:
        flash = max(figures.phases, key=lambda phase: phase.users)
        pairs += [
            ("lost in the rush", words.rate(flash.lost_per_second)),
            ("most shoppers waiting", words.count(figures.peak_waiting)),
        ]
    else:
        pairs += [
            ("peak backlog", words.count(figures.peak_backlog)),
            ("backlog gone after", words.seconds(figures.drain_seconds)),
        ]
    if cold is not None:
        pairs.append(("cold starts, median", f"{figures.cold_starts} × {words.seconds(cold.p50)}"))
    return (
        f'<article class="card"><h3>{text(run.scenario.title)} {"" if run.valid else markup.pill(run_is_valid=False)}</h3>'
        f'<p class="path">{text(run.scenario.arm.value)}: {text(PATHS[run.scenario.arm])}</p>'
        f'<div class="big {good}">{words.percent(figures.acceptance_percent)} <small>of orders accepted</small></div>'
        f"{markup.facts(pairs)}</article>"
    )


def side_by_side(runs: Sequence[RunResult]) -> tuple[str, list[Chart]]:
    """A column of charts per run, with common axes and one cursor."""
    ends = limits(runs)
    columns, charts = [], []
    for run in runs:
        mine = run_charts(run, ends, "arms")
        charts += mine
        places = "".join(markup.chart_place(chart) for chart in mine)
        columns.append(f'<div class="card column"><h3>{text(run.scenario.name)}</h3>{places}</div>')
    return f'<div class="charts">{"".join(columns)}</div>', charts


def figures_table(runs: Sequence[RunResult]) -> str:
    """The table of the terminal."""
    return markup.table("Figures of every run", COLUMNS, [row(run) for run in runs])


def parameters(results: Results) -> str:
    """What was run, where, with what."""
    rows = [
        (
            run.scenario.name,
            words.seconds(run.scenario.payment_seconds)
            + (
                f" (for {words.seconds(run.scenario.stands_for_payment_seconds)})"
                if run.scenario.stands_for_payment_seconds
                else ""
            ),
            str(run.scenario.capacity or "unlimited"),
            str(run.scenario.workers) if run.scenario.arm is Arm.ECS else words.NOTHING,
            run.scenario.shop.value if run.scenario.arm is Arm.SYNC else words.NOTHING,
            "; ".join(
                f"{phase.name}: {f'{phase.rate:g}/s {phase.arrivals}' if phase.is_open_loop else f'{phase.users} users'}"
                f" for {phase.seconds:g} s"
                for phase in run.scenario.phases
            ),
        )
        for run in results.runs
    ]
    machine = results.machine
    uses = [
        (
            run.scenario.name,
            use.process,
            f"{use.cpu_mean_percent:.0f} %",
            f"{use.cpu_max_percent:.0f} %",
            f"{use.rss_max_mb:.0f} MB",
        )
        for run in results.runs
        for use in run.processes
    ]
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return (
        markup.table(
            "Parameters of every run", ("run", "payment", "provider's capacity", "workers", "shop", "load"), rows
        )
        + f'<p class="note">Seed {results.seed}. Measured on {text(machine.processor)}, {machine.cores} cores, {machine.memory_gb:g} GB,'
        f" {text(machine.system)}, Python {text(machine.python)}. {text(versions)}.</p>"
        + "<details><summary>CPU and memory of every process while the load ran</summary>"
        + markup.table("Resource use", ("run", "process", "CPU, mean", "CPU, most", "memory, most"), uses)
        + '<p class="note">CPU in percent of one core.</p></details>'
    )


HOW = (
    "Every order is logged by the load generator with its own times, and every order's end comes from the ledger, so"
    " percentiles and the backlog are exact, not sampled. The payment provider's own record of charges is an independent"
    " witness. A run that breaks one of these checks is INVALID, and its figures are not to be used."
)


def demo_page(results: Results) -> str:
    """The report of a demo."""
    body = [header(results)]
    charts: list[Chart] = []
    if results.runs:
        body.append('<div class="cards">' + "".join(arm_card(run) for run in results.runs) + "</div>")
        columns, charts = side_by_side(results.runs)
        body.append(
            "<h2>Side by side</h2><p>The same axes for every arm; move over one chart and the others follow.</p>"
            + columns
        )
        body.append("<h2>All figures</h2>" + figures_table(results.runs))
        body.append(f"<h2>Can these figures be true?</h2><p>{HOW}</p>" + markup.checks(results.runs))
        body.append("<h2>What was run</h2>" + parameters(results))
    body.append(unfinished(results))
    body.append(
        "</main>\n<footer>The raw data lies beside this file: results.json, and CSV files per run under runs/.</footer>"
    )
    return document(title=results.title, body="\n".join(body), charts=charts)


def unfinished(results: Results) -> str:
    """What is missing, and why."""
    if not results.unfinished:
        return ""
    rows = [(name, results.failures.get(name, "interrupted").splitlines()[0]) for name in results.unfinished]
    return "<h2>Not measured</h2>" + markup.table("Runs that are missing", ("run", "why"), rows, kind="words")
