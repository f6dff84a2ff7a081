"""What was measured, as JSON, as a table and as a chart, beside what was committed."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.row import Figures, Row

_PACKAGES = ("aiobotocore", "aiohttp", "botocore", "orjson", "prometheus-client", "pydantic", "structlog")
# Further from the committed ratio than this, and outside of the rounds' own range, is a regression.
_TOLERANCE = 0.1
_BAR_PIXELS = 300


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One row's rounds: of each contender the figures of every round."""

    row: Row
    rounds: Mapping[str, Sequence[Figures]]

    @property
    def ratios(self) -> list[float]:
        """Ours ÷ baseline, round by round; ours alone where there is no baseline."""
        ours, *baselines = ([figures["value"] for figures in rounds] for rounds in self.rounds.values())
        return [one / other for one, other in zip(ours, baselines[0], strict=True)] if baselines else ours

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def reached(self) -> float | None:
        """How far the row's must is reached, 1 for just so; None where there is none."""
        if self.row.must is None:
            return None
        return self.row.must / self.ratio if self.row.at_most else self.ratio / self.row.must

    @property
    def holds(self) -> bool | None:
        """Whether the row's must holds."""
        return None if self.reached is None else self.reached >= 1

    def is_worse_than(self, committed: float) -> bool:
        """Whether this is a regression, and no noise of the rounds."""
        if self.row.at_most:
            return self.ratio > committed * (1 + _TOLERANCE) and min(self.ratios) > committed
        return self.ratio < committed * (1 - _TOLERANCE) and max(self.ratios) < committed


def document(measured: Mapping[str, Measured], flags: Mapping[str, object]) -> dict[str, Any]:
    """Everything that was measured, and on what."""
    return {
        "machine": {"cpu": _processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in _PACKAGES},
        "flags": dict(flags),
        "rows": {
            number: {
                "title": one.row.title,
                "unit": one.row.unit,
                "must": one.row.must,
                "at_most": one.row.at_most,
                "ratio": one.ratio,
                "ratio_range": [min(one.ratios), max(one.ratios)],
                "holds": one.holds,
                "rounds": {name: [dict(figures) for figures in rounds] for name, rounds in one.rounds.items()},
            }
            for number, one in measured.items()
        },
    }


def table(measured: Mapping[str, Measured], committed: Mapping[str, Any]) -> str:
    """A Markdown table: medians, ranges, ratios, and what became worse."""
    lines = ["| # | figure | ours | baseline | ratio | must | |", "|---|---|---|---|---|---|---|"]
    for number, one in measured.items():
        before = committed.get("rows", {}).get(number, {}).get("ratio")
        lines.append(f"| {' | '.join((number, *_cells(one, before)))} |")
    return "\n".join(lines)


def _cells(one: Measured, before: float | None) -> tuple[str, ...]:
    ours, *baselines = one.rounds.items()
    return (
        one.row.title,
        _shown(ours[1], one.row.unit),
        f"{baselines[0][0]}: {_shown(baselines[0][1], one.row.unit)}" if baselines else "",
        f"{one.ratio:.3g} ({min(one.ratios):.3g}–{max(one.ratios):.3g})",
        "" if one.row.must is None else f"{'≤' if one.row.at_most else '≥'} {one.row.must:g}",
        {True: "holds", False: "missed", None: "only told"}[one.holds]
        + (f", regression from {before:.3g}" if before is not None and one.is_worse_than(before) else ""),
    )


def chart(measured: Mapping[str, Measured]) -> str:
    """An SVG: of each row how much of its must was reached; the line is the must."""
    bounded = [(number, one, one.reached) for number, one in measured.items() if one.reached is not None]
    height = 28 * len(bounded) + 20
    bars = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="820" height="{height}" font-family="sans-serif">',
        f'<line x1="{420 + _BAR_PIXELS / 2}" x2="{420 + _BAR_PIXELS / 2}" y1="0" y2="{height}" stroke="#444"/>',
    ]
    for place, (number, one, reached) in enumerate(bounded):
        width, top = min(reached, 2.0) / 2 * _BAR_PIXELS, 28 * place + 8
        colour = "#2a7f62" if one.holds else "#b3452c"
        bars.append(f'<text font-size="13" x="410" y="{top + 15}" text-anchor="end">{number}: {one.row.title}</text>')
        bars.append(f'<rect x="420" y="{top}" width="{width:.0f}" height="20" fill="{colour}"/>')
        bars.append(f'<text font-size="13" x="730" y="{top + 15}">{reached:.2f} × must</text>')
    return "\n".join([*bars, "</svg>\n"])


def read(path: Path) -> dict[str, Any]:
    """The committed results, or none."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _shown(rounds: Sequence[Figures], unit: str) -> str:
    values = [figures["value"] for figures in rounds]
    cpu = [figures["cpu_us"] for figures in rounds if "cpu_us" in figures]
    beside = f", {statistics.median(cpu):.0f} µs" if cpu else ""
    return f"{statistics.median(values):.4g} {unit} ({min(values):.4g}–{max(values):.4g}){beside}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
