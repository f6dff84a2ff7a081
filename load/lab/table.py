"""The table and the checks at the end, for the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from load.lab import words
from load.lab.results import Results, RunResult

# Wide enough for the table when the output is no terminal.
PLAIN_WIDTH = 160

EXTRAPOLATED = "≈: the run was cut short; what was left would have taken this long at the measured rate."

COLUMNS = (
    "run",
    "offered",
    "accepted",
    "acceptance",
    "accept p50/p95/p99",
    "confirmation p50/p95",
    "completed",
    "peak backlog",
    "drain",
    "cold start",
)


def run_name(run: RunResult) -> str:
    """The scenario's name, marked when the run's figures may not be used."""
    return run.scenario.name if run.valid else f"{run.scenario.name} (INVALID)"


def row(run: RunResult) -> tuple[str, ...]:
    """One run's figures, in the order of COLUMNS."""
    figures = run.figures
    accept, confirmation, cold = figures.accept, figures.confirmation, figures.cold_start_seconds
    return (
        run_name(run),
        words.count(figures.offered),
        words.count(figures.accepted),
        words.percent(figures.acceptance_percent),
        words.several(accept.p50, accept.p95, accept.p99) if accept else words.NOTHING,
        words.several(confirmation.p50, confirmation.p95) if confirmation else words.NOTHING,
        words.count(figures.completed),
        words.count(figures.peak_backlog),
        ("≈ " if figures.drain_is_extrapolated else "") + words.seconds(figures.drain_seconds),
        f"{figures.cold_starts} × {words.seconds(cold.p50)}" if cold else words.NOTHING,
    )


def console() -> Console:
    """The console: as wide as the terminal, and PLAIN_WIDTH where there is none."""
    found = Console()
    return found if found.is_terminal else Console(width=PLAIN_WIDTH)


def print_table(out: Console, runs: Sequence[RunResult]) -> None:
    """Print one row per run."""
    table = Table(title_justify="left", header_style="bold")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name == "run" else "right", no_wrap=name == "run")
    for run in runs:
        table.add_row(*row(run), style="" if run.valid else "red")
    out.print(table)
    if any(run.figures.drain_is_extrapolated for run in runs):
        out.print(EXTRAPOLATED)


def print_checks(out: Console, results: Results) -> None:
    """Print every check; a failed one in full, those that held with what they saw."""
    for run in results.runs:
        out.print(f"[bold]{run.scenario.name}[/bold]: {'[green]VALID' if run.valid else '[red]INVALID'}")
        for check in run.checks:
            mark = "[green]✓[/green]" if check.ok else "[red]✗ FAILED[/red]"
            out.print(f"  {mark} {check.title}: {check.detail}", highlight=False, soft_wrap=True)
    for name in results.unfinished:
        out.print(f"[bold]{name}[/bold]: [red]not finished", soft_wrap=True)
