"""The report as a page."""

from collections.abc import Sequence

from load.analysis.results import Results, RunResult
from load.model import Prices
from load.report import markup, words
from load.report.answers import Answer, comparable
from load.report.charts import Chart, limits, run_charts
from load.report.console import figures_of
from load.report.document import bar, document
from load.report.hero import first_screen
from load.report.markup import text
from load.report.order_path import PLACE, order_path
from load.report.prose import say
from load.report.queue_charts import confirmation_chart
from load.report.section import section
from load.report.validity import checks
from load.report.verdict import FUNCTIONS, lambda_sentence
from load.scenario import Arm, Phase, Scenario

PARAMETERS = ("run", "payment", "provider's capacity", "workers", "shop", "load")
ENDING = (("figures", "Figures"), ("validity", "Checks"), ("parameters", "Runs"))
COLORS = ("s6", "s2", "s5", "s1")
MISSING = ("run", "why")

Part = tuple[str, str]


def opening(results: Results, contents: Sequence[Part]) -> tuple[str, list[Chart]]:
    """The bar with the contents, and the first screen."""
    pills = markup.pill(run_is_valid=results.valid) if results.runs else ""
    if results.unfinished:
        pills += '<span class="pill bad">PARTIAL</span>'
    when = results.started_at.replace("T", " ")[:16]
    places = [*contents, *(ENDING if results.runs else ())]
    screen, charts = first_screen(results)
    return bar(f"{results.kind} · {when}", pills=pills, contents=places) + screen, charts


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
    note = (
        f'<p class="note">{text(say("ending.extrapolated"))}</p>'
        if any(run.figures.drain_is_extrapolated for run in runs)
        else ""
    )
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
        + '<details class="screen"><summary>CPU and memory of every process while the load ran</summary>'
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
    return (
        f"<section><h2>Not measured</h2>{markup.table('Runs that are missing', MISSING, rows, kind='words')}</section>"
    )


def closing(results: Results) -> str:
    """Every figure, validity, parameters, what is missing: the end of every report."""
    parts = []
    if results.runs:
        parts.append(f'<section id="figures"><h2>All figures</h2>{figures_table(results.runs)}</section>')
        how = text(say("ending.how"))
        parts.append(
            f'<section id="validity"><h2>Can these figures be true?</h2><p>{how}</p>{checks(results.runs)}</section>'
        )
        parts.append(f'<section id="parameters"><h2>What was run</h2>{parameters(results)}</section>')
    parts.append(unfinished(results))
    parts.append(f"</main>\n<footer>{text(say('ending.raw'))}</footer>")
    return "\n".join(parts)


def _arms(results: Results) -> tuple[str, list[Chart]]:
    """The runs of a demo beside each other."""
    plenty = [run for run in results.runs if not run.scenario.is_limited]
    if not plenty:
        return "", []
    columns, charts = side_by_side(plenty)
    curves = [(run.scenario.name, color, run) for run, color in zip(plenty, COLORS, strict=False)]
    within = confirmation_chart("arms-within", curves)
    if within is not None:
        charts.append(within)
        columns += f'<div class="card">{markup.chart_place(within)}</div>'
    said = [lambda_sentence(run) for run in comparable(results) if run.scenario.arm in FUNCTIONS]
    paragraphs = "".join(f"<p>{text(one)}</p>" for one in [*said, say("arms.hint")])
    lead = f'<p class="lead">{text(_waits(plenty))}</p>'
    return (
        f'<section id="arms"><h2>What each arm did, second by second</h2>{lead}{columns}{paragraphs}</section>',
        charts,
    )


def _waits(runs: Sequence[RunResult]) -> str:
    """How long half of the shoppers waited for an answer while most of them came."""
    waits = [
        f"{words.seconds(run.peak.answer.p50)} in {run.scenario.name}" for run in runs if run.peak.answer is not None
    ]
    return say("arms.lead", waits=", ".join(waits))


def report_page(results: Results, answers: Sequence[Answer], prices: Prices) -> str:
    """The first screen, the order path, the runs of a demo side by side, the answers, and what they rest on."""
    path = order_path(results, prices)
    arms, arm_charts = _arms(results) if results.kind == "demo" else ("", [])
    parts = ((path, PLACE), (arms, ("arms", "Side by side")), *((one, (one.id, one.short)) for one in answers))
    head, charts = opening(results, [place for part, place in parts if part])
    body = [head, path, arms, *(section(answer) for answer in answers), closing(results)]
    charts += arm_charts + [chart for answer in answers for chart in answer.charts]
    return document(title=results.title, body="\n".join(body), charts=charts)
