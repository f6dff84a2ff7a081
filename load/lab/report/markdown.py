"""report.md: the same, for those who hand in text."""

from collections.abc import Iterable, Sequence

from load.lab.report.verdict import verdict
from load.lab.results import Results
from load.lab.table import COLUMNS, row


def md_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(heads), line(["---"] * len(heads)), *(line(one) for one in rows)])


def markdown(results: Results) -> str:
    """The whole text."""
    state = "VALID" if results.valid and not results.unfinished else "INVALID" if not results.valid else "PARTIAL"
    parts = [f"# {results.title}", f"{results.kind}, {results.started_at}: **{state}**", results.summary]
    parts.append("\n\n".join(verdict(results)))
    parts.append("## Figures\n\n" + md_table(COLUMNS, [row(run) for run in results.runs]))
    lines = [
        f"- {'✓' if check.ok else '✗ FAILED'} {run.scenario.name}: {check.title} ({check.detail})"
        for run in results.runs
        for check in run.checks
    ]
    parts.append("## Checks\n\n" + "\n".join(lines))
    machine = results.machine
    parts.append(
        f"Seed {results.seed}; {machine.processor}, {machine.cores} cores, {machine.memory_gb:g} GB, {machine.system},"
        f" Python {machine.python}."
    )
    return "\n\n".join(parts) + "\n"
