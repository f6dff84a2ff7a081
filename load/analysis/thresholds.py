"""Thresholds for CI: `ecs:100.accept_p99 > 0.25` fails an experiment whose figure is so."""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from load.analysis.figures import Figures
from load.analysis.percentiles import Percentiles
from load.analysis.results import RunResult
from load.scenario import ScenarioError

EXPRESSION = re.compile(
    r"(?P<run>[a-z][a-z0-9:.-]*)\.(?P<figure>[a-z0-9_]+)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>\d+(\.\d+)?)"
)
SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
PARTS = tuple(name for name in Percentiles.model_fields if name != "count")


def _names() -> dict[str, tuple[str, str]]:
    """Every figure's name → its field and, of percentiles, the part: `accept_p99` → (`accept`, `p99`)."""
    found: dict[str, tuple[str, str]] = {}
    for name, field in Figures.model_fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        if Percentiles in kinds:
            found |= {f"{name}_{part}": (name, part) for part in PARTS}
        elif kinds & {int, float}:
            found[name] = (name, "")
    return found


FIGURES = _names()


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What must not be so."""

    text: str
    run: str
    figure: str
    sign: str
    bound: float

    def broken_by(self, run: RunResult) -> str | None:
        """The sentence about a run that is so, or of which nobody knows; None when all is well."""
        field, part = FIGURES[self.figure]
        value = getattr(run.figures, field)
        if part and value is not None:
            value = getattr(value, part)
        if value is None:
            return f"{self.text}: not measured"
        return f"{self.text}: it is {value:.4g}" if SIGNS[self.sign](value, self.bound) else None


def thresholds(expressions: Iterable[str], known: Sequence[str]) -> list[Threshold]:
    """Read what a user wrote; `known` are the names of the runs. Raises ScenarioError."""
    return [_threshold(" ".join(one.split()), known) for one in expressions]


def _threshold(text: str, known: Sequence[str]) -> Threshold:
    found = EXPRESSION.fullmatch(text)
    if found is None:
        raise ScenarioError(f"--fail-if {text}: must be like ecs:100.accept_p99 > 0.25")
    if found["run"] not in known:
        raise ScenarioError(f"--fail-if {text}: no run is called {found['run']}; there are: {', '.join(known)}")
    if found["figure"] not in FIGURES:
        raise ScenarioError(f"--fail-if {text}: no figure is called {found['figure']}; there are: {', '.join(FIGURES)}")
    return Threshold(
        text=text, run=found["run"], figure=found["figure"], sign=found["sign"], bound=float(found["bound"])
    )


def broken(found: Iterable[Threshold], runs: Sequence[RunResult]) -> list[str]:
    """A sentence for every threshold that does not hold; of a run that is missing, too."""
    by_name = {run.scenario.name: run for run in runs}
    sentences = [
        one.broken_by(by_name[one.run]) if one.run in by_name else f"{one.text}: not measured" for one in found
    ]
    return [sentence for sentence in sentences if sentence is not None]
