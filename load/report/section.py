"""One question of the experiment in HTML."""

from load.report import markup
from load.report.answers import Answer
from load.report.markup import text

MOST_ROWS = 24


def section(answer: Answer) -> str:
    """The question as a heading, and its answer. A long table is folded."""
    charts = "".join(f'<div class="card">{markup.chart_place(chart)}</div>' for chart in answer.charts)
    parts = [f'<h2 id="{text(answer.id)}">{text(answer.question)}</h2>']
    parts += [f"<p>{text(paragraph)}</p>" for paragraph in answer.paragraphs]
    parts.append(f'<div class="charts wide">{charts}</div>' if charts else "")
    for table in answer.tables:
        long = len(table.rows) > MOST_ROWS
        shown = markup.table(
            table.caption, table.heads, table.rows, kind="words" if table.is_text else "", titled=not long
        )
        parts.append(f"<details><summary>{text(table.caption)}</summary>{shown}</details>" if long else shown)
    parts += [f'<p class="note">{text(note)}</p>' for note in answer.notes]
    return "\n".join(parts)
