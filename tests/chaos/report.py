"""The report of the chaos runs: a line as each ends, the table at the end of `make chaos`, and two files of it.

Whichever process a case runs in: its verdict travels with the test's own report to the process that tells.
"""

import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from tests.chaos.verdict import Verdict, table

FOLDER = Path(__file__).resolve().parents[2] / "reports" / "chaos"
_SEED = "CHAOS_SEED"
# Properties of a test: what it found, and whatever else is worth a line.
_VERDICT = "verdict"
_SEEN = "seen"


@dataclass(frozen=True, kw_only=True)
class Report:
    """Where a test says what it saw."""

    record: Callable[[str, object], None]
    seed: str = field(default_factory=lambda: os.environ[_SEED])

    def add(self, verdict: Verdict) -> None:
        """Have a verdict told."""
        self.record(_VERDICT, asdict(verdict))


def write(verdicts: Sequence[Verdict], folder: Path) -> None:
    """Write down what was seen, for people and for programs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "verdicts.md").write_text(table(verdicts), encoding="utf-8")
    rows = [asdict(verdict) for verdict in verdicts]
    (folder / "verdicts.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True, eq=False)  # a plugin is known by itself: pytest keeps sets of them
class Teller:
    """Tells what the tests saw, in the process that has the terminal."""

    terminal: pytest.TerminalReporter
    folder: Path = FOLDER
    verdicts: list[Verdict] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell the verdicts of a test when it has ended."""
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == _VERDICT:
                self.verdicts.append(Verdict(**cast("dict[str, Any]", value)))
                self._tell(f"{self.verdicts[-1]} in {report.duration:.0f} s")
            elif name == _SEEN:
                self._tell(str(value))

    def _tell(self, line: str) -> None:
        self.terminal.write_line(f"\n{line}")  # a line of its own, after whatever progress is shown

    def pytest_terminal_summary(self) -> None:
        """Show all of them, and write them down."""
        if "CHAOS_ROUNDS" in os.environ and self.verdicts:
            write(self.verdicts, self.folder)
            self.terminal.write_line(f"\n{table(self.verdicts)}seed {os.environ[_SEED]}; also in {self.folder}")


def begin(config: pytest.Config, folder: Path = FOLDER) -> None:
    """Choose the seed of the whole run, before its other processes are started, and let the first of them tell.

    A seed that is given deals the faults of an earlier run again.
    """
    os.environ.setdefault(_SEED, secrets.token_hex(4))
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Teller(terminal=terminal, folder=folder))
