import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
from pathlib import Path

import pytest

from tests.chaos.conftest import chaos_report
from tests.chaos.report import begin


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    begin(config, Path(__file__).parent / "reports")
"""
TESTS = """
from dataclasses import fields

import pytest

from tests.chaos.verdict import Verdict


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_seen(case, chaos_report, record_property):
    record_property("seen", f"a word of {case}")
    counts = {field.name: 0 for field in fields(Verdict)}
    chaos_report.add(Verdict(**counts | {"case": case, "seed": chaos_report.seed, "lost": int(case == "b")}))
    assert case != "b"
"""


@pytest.mark.parametrize("processes", ["2", "0"])
def test_one_report_with_one_seed_has_the_verdicts_of_all_processes(tmp_path: Path, processes: str) -> None:
    # Beside tests that have fixtures of their own.
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "conftest.py").write_text("", encoding="utf-8")
    (tmp_path / "other" / "test_other.py").write_text("def test_nothing(): pass", encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_seen.py").write_text(TESTS, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "CHAOS_SEED"}
    run = subprocess.run(  # noqa: S603 - our own tests
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", processes, str(tmp_path)],
        env=environment | {"CHAOS_ROUNDS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stdout + run.stderr
    seen = json.loads((tmp_path / "reports" / "verdicts.json").read_text(encoding="utf-8"))
    assert sorted((row["case"], row["lost"]) for row in seen) == [("a", 0), ("b", 1), ("c", 0), ("d", 0)]
    (seed,) = {row["seed"] for row in seen}
    assert run.stdout.count(f"seed {seed}; also in") == 1
    assert sorted(re.findall(r"^a word of (\w)$", run.stdout, re.MULTILINE)) == ["a", "b", "c", "d"]
    assert sorted(re.findall(r"^\| (\w) \|", run.stdout, re.MULTILINE)) == ["a", "b", "c", "d"]
