"""Can the figures be true: the six headlines of every run, and whether the records agree."""

from collections.abc import Sequence

from load.analysis.checks import HEADLINES, Check
from load.analysis.results import RunResult
from load.report import markup
from load.report.markup import text

HELD, BROKEN = "✓", "✗ FAILED"


def checks(runs: Sequence[RunResult]) -> str:
    """A row of headlines per run; what does not hold, in full; the rest folded."""
    rows = [(run.scenario.name, *(_headline(run, name) for name in HEADLINES), _state(run)) for run in runs]
    table = markup.table("Six checks of every run", ("run", *HEADLINES.values(), "run is"), rows)
    broken = "".join(_broken(run) for run in runs)
    count = sum(check.ok for run in runs for check in run.checks)
    folded = "".join(f"<h3>{text(run.scenario.name)}</h3>{_list(run.checks)}" for run in runs)
    summary = f"<summary>The records agree: {count} checks hold, one by one</summary>"
    return f'{table}{broken}<details class="screen">{summary}{folded}</details>'


def _headline(run: RunResult, name: str) -> str:
    found = [check for check in run.checks if check.name == name]
    return "–" if not found else HELD if all(check.ok for check in found) else BROKEN


def _state(run: RunResult) -> str:
    return "VALID" if run.valid else "INVALID"


def _broken(run: RunResult) -> str:
    found = [check for check in run.checks if not check.ok]
    return f"<h3>{text(run.scenario.name)}</h3>{_list(found)}" if found else ""


def _list(found: Sequence[Check]) -> str:
    items = "".join(
        f'<li class="{"ok" if check.ok else "no"}">{"A finding about the shop: " * (not check.ok and check.holds)}'
        f"{text(check.title)} <span>— {text(check.detail)}</span></li>"
        for check in found
    )
    return f'<ul class="checks">{items}</ul>'
