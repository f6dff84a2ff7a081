"""The report of a demo, and the sections that every report has."""

from collections.abc import Sequence

from load.analysis.results import Results, RunResult
from load.analysis.stock import StockFigures
from load.report import markup, words
from load.report.answers import drain_text
from load.report.charts import Chart, limits, run_charts
from load.report.console import EXTRAPOLATED, figures_of
from load.report.document import document, page_header
from load.report.markup import text
from load.report.section import section
from load.report.stock_answer import stock_answer
from load.report.verdict import PATHS, scale_note, verdict
from load.scenario import Arm, Phase, Scenario

PARAMETERS = ("run", "payment", "provider's capacity", "workers", "shop", "load")
GOOD_PERCENT = 99.95
HOW = (
    "Every order is logged by the load generator with its own times, and every order's end comes from the ledger, so"
    " percentiles and the backlog are exact, not sampled. The payment provider's own record of charges is an"
    " independent witness. A run that breaks one of these checks is INVALID, and its figures are not to be used."
)


def header(results: Results) -> str:
    """Title, state, verdict."""
    pills = markup.pill(run_is_valid=results.valid) if results.runs else ""
    if results.unfinished:
        pills += '<span class="pill bad">PARTIAL</span>'
    when = results.started_at.replace("T", " ")[:16]
    summary = f"{results.summary} {scale_note(results)}".strip()
    return page_header(results.title, f"{results.kind} · {when}", verdict(results), pills=pills, summary=summary)


def _stock_facts(run: RunResult, stock: StockFigures) -> list[tuple[str, str]]:
    accept, told, confirmation = run.figures.accept, stock.sold_out_answer, run.figures.confirmation
    return [
        ("buyers", words.count(run.figures.offered)),
        ("told “sold out”", words.count(stock.sold_out)),
        ("orders lost", words.count(stock.lost)),
        ("units left", words.count(stock.left)),
        ("oversold", words.count(stock.oversold)),
        ("accept, p50 / p99", words.several(accept.p50, accept.p99) if accept else words.NOTHING),
        ("“sold out”, p50 / p99", words.several(told.p50, told.p99) if told else words.NOTHING),
        (
            "confirmation, p50 / p95",
            words.several(confirmation.p50, confirmation.p95) if confirmation else words.NOTHING,
        ),
    ]


def _card_facts(run: RunResult) -> list[tuple[str, str]]:
    figures = run.figures
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
        pairs.append(("lost in the rush", words.rate(run.peak.refused_in_time_rate)))
        pairs.append(("most shoppers waiting", words.count(figures.peak_waiting)))
    else:
        pairs.append(("peak backlog", words.count(figures.peak_backlog)))
        pairs.append(("backlog gone after", drain_text(run)))
    if cold is not None:
        pairs.append(("cold starts, median", f"{figures.cold_starts} × {words.seconds(cold.p50)}"))
    return pairs


def arm_card(run: RunResult) -> str:
    """One run at a glance."""
    figures, stock = run.figures, run.figures.stock
    good = "good" if figures.acceptance_percent >= GOOD_PERCENT else "bad"
    big, what, pairs = words.percent(figures.acceptance_percent), "of orders accepted", _card_facts(run)
    if stock is not None:
        good = "good" if run.valid and stock.oversold == 0 else "bad"
        big, what = words.count(stock.sold), f"of {words.number_of(stock.units, 'unit')} sold"
        pairs = _stock_facts(run, stock)
    state = "" if run.valid else markup.pill(run_is_valid=False)
    return (
        f'<article class="card"><h2 class="small">{text(run.scenario.title)} {state}</h2>'
        f'<p class="path">{text(run.scenario.arm.value)}: {text(PATHS[run.scenario.arm])}</p>'
        f'<div class="big {good}">{big} <small>{what}</small></div>{markup.facts(pairs)}</article>'
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
    """The tables of the terminal."""
    found = figures_of(runs)
    tables = [markup.table(one.caption, one.columns, one.rows, titled=len(found) > 1) for one in found]
    note = f'<p class="note">{EXTRAPOLATED}</p>' if any(run.figures.drain_is_extrapolated for run in runs) else ""
    return "".join(tables) + note


def _load(phase: Phase) -> str:
    who = f"{phase.rate:g}/s {phase.arrivals}" if phase.is_open_loop else words.number_of(phase.users, "user")
    return f"{phase.name}: {who} for {phase.seconds:g} s"


def _stock(scenario: Scenario) -> list[str]:
    return [f"{words.number_of(units, 'unit')} of {product}" for product, units in scenario.stock.items()]


def _workers(scenario: Scenario) -> str:
    if scenario.arm is not Arm.ECS:
        return words.NOTHING
    tasks = [1, *(count for _, count in scenario.tasks)]
    changed = f" × {min(tasks)}–{max(tasks)} tasks" if scenario.tasks else ""
    instead = f" (for {scenario.stands_for_workers})" if scenario.stands_for_workers else ""
    return f"{scenario.workers}{changed}{instead}"


def parameter_row(run: RunResult) -> tuple[str, ...]:
    """One run's parameters, in the order of PARAMETERS."""
    scenario = run.scenario
    instead = scenario.stands_for_payment_seconds
    return (
        scenario.name,
        words.seconds(scenario.payment_seconds) + (f" (for {words.seconds(instead)})" if instead else ""),
        str(scenario.capacity or "unlimited"),
        _workers(scenario),
        scenario.shop.value if scenario.arm is Arm.SYNC else words.NOTHING,
        "; ".join([*(_load(phase) for phase in scenario.phases), *_stock(scenario)]),
    )


def parameters(results: Results) -> str:
    """What was run, where, with what."""
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
        markup.table("Parameters of every run", PARAMETERS, [parameter_row(run) for run in results.runs])
        + f'<p class="note">Seed {results.seed}. Measured on {text(machine.processor)}, {machine.cores} cores,'
        f" {machine.memory_gb:g} GB, {text(machine.system)}, Python {text(machine.python)}. {text(versions)}.</p>"
        + "<details><summary>CPU and memory of every process while the load ran</summary>"
        + markup.table("Resource use", ("run", "process", "CPU, mean", "CPU, most", "memory, most"), uses)
        + '<p class="note">CPU in percent of one core.</p></details>'
    )


def missing_rows(results: Results) -> list[tuple[str, str]]:
    """The runs that are missing, and why."""
    return [(name, results.failures.get(name, "interrupted").splitlines()[0]) for name in results.unfinished]


def unfinished(results: Results) -> str:
    """What is missing, and why."""
    if not results.unfinished:
        return ""
    rows = missing_rows(results)
    return "<h2>Not measured</h2>" + markup.table("Runs that are missing", ("run", "why"), rows, kind="words")


def closing(results: Results) -> str:
    """Validity, parameters, what is missing: the end of every report."""
    parts = []
    if results.runs:
        parts.append(f'<h2 id="validity">Can these figures be true?</h2><p>{HOW}</p>' + markup.checks(results.runs))
        parts.append('<h2 id="parameters">What was run</h2>' + parameters(results))
    parts.append(unfinished(results))
    parts.append(
        "</main>\n<footer>The raw data lies beside this file: results.json, and CSV files per run under runs/.</footer>"
    )
    return "\n".join(parts)


def demo_page(results: Results) -> str:
    """The report of a demo."""
    body = [header(results)]
    charts: list[Chart] = []
    if results.runs:
        body.append('<div class="cards">' + "".join(arm_card(run) for run in results.runs) + "</div>")
        plenty = [run for run in results.runs if not run.scenario.is_limited]
        if plenty:
            columns, charts = side_by_side(plenty)
            lead = "Rates and times have the same axes in every arm; move over one chart and the others follow."
            body.append(f"<h2>Side by side</h2><p>{lead}</p>{columns}")
        if (answer := stock_answer(results)) is not None:
            body.append(section(answer))
            charts += answer.charts
        body.append("<h2>All figures</h2>" + figures_table(results.runs))
    body.append(closing(results))
    return document(title=results.title, body="\n".join(body), charts=charts)
