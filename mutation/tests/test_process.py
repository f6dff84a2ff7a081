"""`python -m mutation` as a process: however it is ended, nothing of it is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from mutation import __main__ as mutation
mutation.PROJECT = Path(sys.argv[1])
mutation.end_orderly()
sys.exit(mutation.main([]))
"""
SUITE = """
import time

def test_for_ever():
    time.sleep(600)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package whose suite does not end."""
    root = tmp_path / "project"
    for name, text in {
        "libs/tiny/pyproject.toml": "",
        "libs/tiny/src/tiny.py": "def double(one):\n    return one + one\n",
        "libs/tiny/tests/test_tiny.py": SUITE,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)  # noqa: S607 - the git of the machine
    return root


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=lambda ending: ending.name)
def test_ended_in_the_middle_of_a_suite_it_leaves_neither_the_suite_nor_the_copy(
    tmp_path: Path, project: Path, ending: signal.Signals
) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(project)]
    with subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=PROJECT, env={**os.environ, "TMPDIR": str(copies)}, stderr=subprocess.PIPE
    ) as process:
        wait_until(lambda: [*copies.glob("mutants-*/suite.log")] and psutil.Process(process.pid).children())
        suite = psutil.Process(process.pid).children()
        process.send_signal(ending)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + ending
    assert list(copies.iterdir()) == []
    assert suite
    assert not any(one.is_running() for one in suite)
    assert b"Traceback" not in said
