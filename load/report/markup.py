"""Small pieces of HTML. Everything that comes from data is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape

from load.report.charts import Chart


def text(value: object) -> str:
    """Escape for text and attributes."""
    return escape(str(value), quote=True)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of names and values."""
    return '<dl class="facts">' + "".join(f"<dt>{text(a)}</dt><dd>{text(b)}</dd>" for a, b in pairs) + "</dl>"


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", titled: bool = False
) -> str:
    """A table that scrolls sideways on a phone. The first cell of each row heads it; `titled` shows the caption."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{text(row[0])}</th>' + "".join(f"<td>{text(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    )
    label = f"<caption>{text(caption)}</caption>" if titled else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}"><table class="{kind}">{label}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def pill(*, run_is_valid: bool) -> str:
    """VALID or INVALID."""
    return f'<span class="pill {"good" if run_is_valid else "bad"}">{"VALID" if run_is_valid else "INVALID"}</span>'


def chart_place(chart: Chart) -> str:
    """Where the script draws a chart."""
    place = f'<div class="chart" id="chart-{text(chart.id)}" style="min-height:{chart.height}px"></div>'
    return f"<figure><figcaption>{text(chart.title)}</figcaption>{place}</figure>"
