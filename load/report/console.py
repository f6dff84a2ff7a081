"""The table and the checks at the end, for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from load.analysis.checks import HEADLINES
from load.analysis.estimate import run_seconds, total_seconds
from load.analysis.results import Results, RunResult
from load.report import words
from load.report.prose import say
from load.scenario import Arm, ScenarioFile

# Wide enough for the table when the output is no terminal.
PLAIN_WIDTH = 160

COLUMNS = (
    "run",
    "offered",
    "accepted",
    "refused",
    "customers lost",
    "accept p50/p95/p99",
    "confirmation p50/p95",
    "completed",
    "peak backlog",
    "drain",
    "cold start",
)


STOCK_COLUMNS = (
    "run",
    "units",
    "buyers",
    "sold",
    "sold out",
    "lost",
    "units left",
    "oversold",
    "accept p50/p99",
    "sold-out answer p50/p99",
    "confirmation p50/p95",
)
Row = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FiguresTable:
    """A table of figures: its runs, and a row for each."""

    caption: str
    columns: Row
    runs: Sequence[RunResult]
    rows: Sequence[Row]


def figures_of(runs: Sequence[RunResult]) -> list[FiguresTable]:
    """The tables that these runs fill: one of throughput, one of limited stock."""
    plenty = [run for run in runs if run.figures.stock is None]
    few = [run for run in runs if run.figures.stock is not None]
    tables = [
        FiguresTable(caption="Throughput", columns=COLUMNS, runs=plenty, rows=[row(run) for run in plenty]),
        FiguresTable(caption="Limited stock", columns=STOCK_COLUMNS, runs=few, rows=[stock_row(run) for run in few]),
    ]
    return [table for table in tables if table.runs]


def run_name(run: RunResult) -> str:
    """The scenario's name, marked when the run's figures may not be used."""
    return run.scenario.name if run.valid else f"{run.scenario.name} (INVALID)"


def row(run: RunResult) -> Row:
    """One run's figures, in the order of COLUMNS."""
    figures = run.figures
    accept, confirmation, cold = figures.accept, figures.confirmation, figures.cold_start_seconds
    return (
        run_name(run),
        words.count(figures.offered),
        words.count(figures.accepted),
        words.count(figures.rejected),
        f"{words.count(figures.customers_lost)} of {words.count(figures.customers)}",
        words.several(accept.p50, accept.p95, accept.p99) if accept else words.NOTHING,
        words.several(confirmation.p50, confirmation.p95) if confirmation else words.NOTHING,
        words.count(figures.completed),
        words.count(figures.peak_backlog),
        ("≈ " if figures.drain_is_extrapolated else "") + words.seconds(figures.drain_seconds),
        f"{figures.cold_starts} × {words.seconds(cold.p50)}" if cold else words.NOTHING,
    )


def stock_row(run: RunResult) -> Row:
    """One run with limited stock, in the order of STOCK_COLUMNS: who was told “sold out” is not lost."""
    figures, stock = run.figures, run.figures.stock
    if stock is None:
        raise ValueError(f"{run.scenario.name} has no limited stock")
    accept, told, confirmation = figures.accept, stock.sold_out_answer, figures.confirmation
    return (
        run_name(run),
        words.count(stock.units),
        words.count(figures.offered),
        words.count(stock.sold),
        words.count(stock.sold_out),
        words.count(stock.lost),
        words.count(stock.left),
        words.count(stock.oversold),
        words.several(accept.p50, accept.p99) if accept else words.NOTHING,
        words.several(told.p50, told.p99) if told else words.NOTHING,
        words.several(confirmation.p50, confirmation.p95) if confirmation else words.NOTHING,
    )


def list_scenarios(out: Console, file: ScenarioFile) -> None:
    """Print the scenarios and their lengths."""
    table = Table("scenario", "what", "payment", "workers", "about")
    for scenario in file.scenarios:
        table.add_row(
            scenario.name,
            scenario.title,
            words.seconds(scenario.payment_seconds),
            str(scenario.workers) if scenario.arm is Arm.ECS else words.NOTHING,
            words.seconds(run_seconds(scenario)),
        )
    out.print(table)
    out.print(f"altogether about {words.seconds(total_seconds(file))}")


def summary(run: RunResult) -> str:
    """The line that a finished run leaves on the terminal."""
    figures, stock = run.figures, run.figures.stock
    name = f"{run.scenario.name:<18} {'VALID  ' if run.valid else 'INVALID'}"
    end = (
        "paid in the request" if run.scenario.arm is Arm.SYNC else f"drained in {words.seconds(figures.drain_seconds)}"
    )
    if figures.drain_is_extrapolated:
        end = f"would drain in {words.seconds(figures.drain_seconds)} (extrapolated)"
    if stock is not None:
        return (
            f"{name} {stock.sold} of {stock.units} units sold,"
            f" {stock.sold_out} buyers told “sold out”, {stock.left} left, {stock.oversold} oversold, {end}"
        )
    return (
        f"{name} {figures.accepted} of {figures.offered}"
        f" accepted, {figures.completed} completed, peak backlog {figures.peak_backlog}, {end}"
    )


def console() -> Console:
    """The console: as wide as the terminal, and PLAIN_WIDTH where there is none."""
    found = Console()
    return found if found.is_terminal else Console(width=PLAIN_WIDTH)


def print_table(out: Console, runs: Sequence[RunResult]) -> None:
    """Print one row per run."""
    for figures in figures_of(runs):
        table = Table(title_justify="left", header_style="bold")
        for name in figures.columns:
            table.add_column(name, justify="left" if name == "run" else "right", no_wrap=name == "run")
        for run, cells in zip(figures.runs, figures.rows, strict=True):
            table.add_row(*cells, style="" if run.valid else "red")
        out.print(table)
    if any(run.figures.drain_is_extrapolated for run in runs):
        out.print(say("ending.extrapolated"))


def print_checks(out: Console, results: Results) -> None:
    """Print what holds of which runs, those that agree in one line; what does not hold in full."""
    alike: dict[str, list[str]] = {}
    for run in results.runs:
        if all(check.ok for check in run.checks):
            alike.setdefault(_held(run), []).append(run.scenario.name)
    for held, names in alike.items():
        out.print(f"[bold]{', '.join(names)}[/bold]: {held}", highlight=False, soft_wrap=True)
    for run in results.runs:
        if not all(check.ok for check in run.checks):
            _print_found(out, run)
    for name in results.unfinished:
        out.print(f"[bold]{name}[/bold]: [red]not finished", soft_wrap=True)


def _held(run: RunResult) -> str:
    """The run's headlines, and how many more checks hold."""
    held = [HEADLINES[check.name] for check in run.checks if check.name in HEADLINES and check.ok]
    state = "[green]VALID" if run.valid else "[red]INVALID"
    agree = f"{'; ' if held else ''}the records agree in {len(run.folded_checks)} more"
    return f"{state}[/] {', '.join(held)}{agree}"


def _print_found(out: Console, run: RunResult) -> None:
    out.print(f"[bold]{run.scenario.name}[/bold]: {_held(run)}", highlight=False, soft_wrap=True)
    for check in run.checks:
        if not check.ok:
            mark = "[yellow]! about the shop:[/yellow]" if check.holds else "[red]✗ FAILED[/red]"
            out.print(f"  {mark} {check.title}: {check.detail}", highlight=False, soft_wrap=True)
