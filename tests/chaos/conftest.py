"""The report of the chaos runs: a line as each ends, the table at the end of `make chaos`, and two files of it."""

import json
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from tests.chaos.verdict import Verdict, table

FOLDER = Path(__file__).resolve().parents[2] / "reports" / "chaos"


@dataclass(kw_only=True)
class Report:
    """What was seen so far. `CHAOS_SEED` repeats the sequence of an earlier run's faults."""

    seed: str = field(default_factory=lambda: os.environ.get("CHAOS_SEED") or secrets.token_hex(4))
    verdicts: list[Verdict] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """Keep a verdict."""
        self.verdicts.append(verdict)

    def write(self, folder: Path) -> None:
        """Write what was seen for people and for programs."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "verdicts.md").write_text(table(self.verdicts), encoding="utf-8")
        rows = [asdict(verdict) for verdict in self.verdicts]
        (folder / "verdicts.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


@pytest.fixture(scope="session")
def whole_report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """The report of the whole session."""
    report = Report()
    yield report
    if "CHAOS_ROUNDS" in os.environ and report.verdicts:
        report.write(FOLDER)
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            sys.stdout.write(f"\n{table(report.verdicts)}seed {report.seed}; also in {FOLDER}\n")


@pytest.fixture
def chaos_report(whole_report: Report, capsys: pytest.CaptureFixture[str]) -> Iterator[Report]:
    """The same; what a test adds is told when the test ends."""
    known = len(whole_report.verdicts)
    yield whole_report
    with capsys.disabled():
        for verdict in whole_report.verdicts[known:]:
            sys.stdout.write(f"\n{verdict}\n")
