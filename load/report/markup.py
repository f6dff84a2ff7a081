"""Small pieces of HTML. Everything that comes from data is escaped here."""

import re
from collections.abc import Iterable, Sequence
from html import escape

from load.report.charts import Chart
from load.report.words import NOTHING

# A figure and its unit, the parts of a duration, figures side by side: `≈ 2 min 5 s`, `12 / 34 ms`, `5 × 1.1 s`.
UNIT = r"(?:ms|s|min|h|%|×|MB|GB|GB-s)(?!\w)"
TOGETHER = re.compile(
    rf"(?<=≈) |(?<=\d) (?={UNIT}|/ \d)|(?<=\d [/×]) (?=\d)|(?<=\d min) (?=\d+ s\b)|(?<=\d h) (?=\d+ min\b)"
)


def text(value: object) -> str:
    """Escape for text and attributes; no line ends within a figure."""
    return escape(TOGETHER.sub("\N{NO-BREAK SPACE}", str(value)), quote=True)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of names and values."""
    return '<dl class="facts">' + "".join(f"<dt>{text(a)}</dt><dd>{text(b)}</dd>" for a, b in pairs) + "</dl>"


def table(
    caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = "", titled: bool = False
) -> str:
    """A table that scrolls sideways on a phone. The first cell of each row heads it; `titled` shows the caption."""
    found = list(rows)
    columns = list(zip(*found, strict=True))[1:]
    sides = ["", *(' class="word"' if _are_words(cells) else "" for cells in columns)] if found else [""] * len(heads)
    head = "".join(f'<th scope="col"{side}>{text(name)}</th>' for name, side in zip(heads, sides, strict=True))
    body = "".join(f"<tr>{_row_head(row[0])}{_cells(row[1:], sides[1:])}</tr>" for row in found)
    label = f"<caption>{text(caption)}</caption>" if titled else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{text(caption)}"><table class="{kind}">{label}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _are_words(cells: Iterable[str]) -> bool:
    """Whether a column holds words, which begin at the left; figures end at the right."""
    said = [cell for cell in cells if cell not in {"", NOTHING}]
    return bool(said) and all(cell[0].isalpha() for cell in said)


def _row_head(name: str) -> str:
    """A long name wraps behind a colon: `sync:protected:unlimited`."""
    return f'<th scope="row">{text(name).replace(":", ":<wbr>")}</th>'


def _cells(cells: Iterable[str], sides: Iterable[str]) -> str:
    return "".join(f"<td{side}>{text(cell)}</td>" for cell, side in zip(cells, sides, strict=True))


def pill(*, run_is_valid: bool) -> str:
    """VALID or INVALID."""
    return f'<span class="pill {"good" if run_is_valid else "bad"}">{"VALID" if run_is_valid else "INVALID"}</span>'


def chart_place(chart: Chart) -> str:
    """Where the script draws a chart."""
    place = f'<div class="chart" id="chart-{text(chart.id)}" style="min-height:{chart.height}px"></div>'
    return f"<figure><figcaption>{text(chart.title)}</figcaption>{place}</figure>"
