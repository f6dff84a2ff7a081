"""One question of the experiment in HTML."""

from load.report import markup
from load.report.answers import Answer, Table
from load.report.markup import text


def section(answer: Answer) -> str:
    """The question as a heading, its answer in a bold sentence, the charts, the words; the numbers are folded."""
    charts = "".join(f'<div class="card">{markup.chart_place(chart)}</div>' for chart in answer.charts)
    parts = [f'<section id="{text(answer.id)}">', f"<h2>{text(answer.question)}</h2>"]
    parts.append(f'<p class="lead">{text(answer.lead)}</p>' if answer.lead else "")
    parts.append(f'<div class="charts wide">{charts}</div>' if charts else "")
    parts += [f"<p>{text(paragraph)}</p>" for paragraph in answer.paragraphs]
    parts += [numbers(table) for table in answer.tables]
    parts += [f'<p class="note">{text(note)}</p>' for note in answer.notes]
    return "\n".join([*parts, "</section>"])


def numbers(table: Table) -> str:
    """A table, folded under its caption."""
    shown = markup.table(table.caption, table.heads, table.rows, kind="words" if table.is_text else "")
    return f"<details><summary>{text(table.caption)}</summary>{shown}</details>"
