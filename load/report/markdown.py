"""report.md: the same, for those who hand in text."""

from collections.abc import Iterable, Sequence

from load.analysis.checks import Check
from load.analysis.results import Results
from load.report.answers import Answer
from load.report.console import figures_of
from load.report.page import PARAMETERS, missing_rows, parameter_row
from load.report.prose import say
from load.report.verdict import scale_note, verdict


def md_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(heads), line(["---"] * len(heads)), *(line(one) for one in rows)])


def _answer(answer: Answer) -> str:
    tables = [f"**{table.caption}**\n\n{md_table(table.heads, table.rows)}" for table in answer.tables]
    lead = [f"**{answer.lead}**"] if answer.lead else []
    return "\n\n".join([f"## {answer.question}", *lead, *answer.paragraphs, *tables, *answer.notes])


def _check(run: str, check: Check) -> str:
    mark = "✓" if check.ok else "! about the shop" if check.holds else "✗ FAILED"
    return f"- {mark} {run}: {check.title} ({check.detail})"


def markdown(results: Results, answers: Sequence[Answer]) -> str:
    """The whole text."""
    state = ("VALID" if results.valid else "INVALID") + (", PARTIAL" if results.unfinished else "")
    parts = [f"# {results.title}", f"{results.kind}, {results.started_at}: **{state}**", results.summary]
    parts += [scale_note(results), *verdict(results)]
    parts.append("## Figures")
    parts += [f"**{one.caption}**\n\n{md_table(one.columns, one.rows)}" for one in figures_of(results.runs)]
    if any(run.figures.drain_is_extrapolated for run in results.runs):
        parts.append(say("ending.extrapolated"))
    if results.unfinished:
        parts.append("## Not measured\n\n" + md_table(("run", "why"), missing_rows(results)))
    parts += [_answer(answer) for answer in answers]
    lines = [_check(run.scenario.name, check) for run in results.runs for check in run.checks]
    parts.append("## Checks\n\n" + "\n".join(lines))
    machine = results.machine
    parts.append("## What was run\n\n" + md_table(PARAMETERS, [parameter_row(run) for run in results.runs]))
    parts.append(
        f"Seed {results.seed}; {machine.processor}, {machine.cores} cores, {machine.memory_gb:g} GB, {machine.system},"
        f" Python {machine.python}; {', '.join(f'{name} {number}' for name, number in machine.versions.items())}."
    )
    return "\n\n".join(part for part in parts if part) + "\n"
