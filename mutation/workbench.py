"""A copy of the project in which code may be broken: the working tree is never touched."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

import psutil

from mutation.mutants import Mutant
from mutation.nearness import nearest_first

ENDINGS = (signal.SIGINT, signal.SIGTERM)
"""What ends a campaign."""
_SHOWN_CHARACTERS = 2_000
_FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_OPTIONS = ["-x", "-q", "--no-header", "-p", "no:randomly", "-p", "no:cacheprovider", "--hypothesis-seed=0"]


class Outcome(StrEnum):
    """What a suite made of a mutant."""

    CAUGHT = "caught"
    TIMED_OUT = "timed out"
    SURVIVED = "survived"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a suite made of a mutant, in how long, and which test failed (empty if pytest named none)."""

    outcome: Outcome
    seconds: float
    noticed_by: str = ""


class WorkbenchError(Exception):
    """The suite cannot test mutants: it fails, hangs or is empty without any."""


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """The copy and its own environment, in which the packages resolve to the copy."""

    root: Path

    @property
    def _log(self) -> Path:
        return self.root / "suite.log"

    def baseline(self, member: Path, *, limit_seconds: float) -> float:
        """The seconds that the sound suite takes.

        Raises:
            WorkbenchError: It did not pass within the limit.
        """
        verdict = self._run_suite(self._tests(member), limit_seconds)
        if verdict.outcome is not Outcome.SURVIVED:
            said = self._log.read_text(encoding="utf-8", errors="replace")[-_SHOWN_CHARACTERS:]
            raise WorkbenchError(
                f"{member.name}: the suite does not pass on the code as it is ({verdict.outcome})\n{said}"
            )
        return verdict.seconds

    def try_mutant(self, mutant: Mutant, member: Path, *, limit_seconds: float) -> Verdict:
        """Run the suite of `member` with the mutant in place, the nearest tests first, until the first failure."""
        file = self.root / mutant.path
        sound = file.read_text(encoding="utf-8")
        tests = nearest_first(self._tests(member), file)
        try:
            self._write(file, mutant.source)
            return self._run_suite(tests, limit_seconds)
        finally:
            self._write(file, sound)

    def _tests(self, member: Path) -> list[Path]:
        if tests := sorted((self.root / member / "tests").rglob("test_*.py")):
            return tests
        raise WorkbenchError(f"{member.name}: there are no tests in {member / 'tests'}")

    def _write(self, file: Path, source: str) -> None:
        file.write_text(source, encoding="utf-8")
        # A mutant is often as long as the original and younger by less than the second that a .pyc remembers.
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)

    def _run_suite(self, tests: list[Path], limit_seconds: float) -> Verdict:
        command = [str(self.root / ".venv" / "bin" / "python"), "-m", "pytest", *map(str, tests), *_OPTIONS]
        started = time.monotonic()
        process = None
        try:
            with self._log.open("wb") as log, _endings_held() as before:
                process = subprocess.Popen(  # noqa: S603 - our own suite
                    command,
                    cwd=self.root,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=partial(signal.pthread_sigmask, signal.SIG_SETMASK, before),  # noqa: PLW1509 - one thread
                )
            outcome = Outcome.CAUGHT if process.wait(timeout=limit_seconds) else Outcome.SURVIVED
        except subprocess.TimeoutExpired:
            outcome = Outcome.TIMED_OUT
        finally:
            if process is not None:
                _end(process)
        return Verdict(outcome=outcome, seconds=time.monotonic() - started, noticed_by=self._first_failure())

    def _first_failure(self) -> str:
        found = _FAILURE.search(self._log.read_text(encoding="utf-8", errors="replace"))
        return found[1] if found else ""


@contextmanager
def open_workbench(project: Path) -> Iterator[Workbench]:
    """A workbench with the project's files as they are now, committed or not; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        root = Path(folder).resolve()
        for name in _files(project):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(project / name, root / name)
        # Programs that the suites start by their place in the project.
        for environment in project.glob(".venv-*"):
            (root / environment.name).symlink_to(environment)
        _make_environment(root)
        yield Workbench(root=root)


def _files(project: Path) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=project, check=True, capture_output=True, text=True)  # noqa: S603 - fixed words
    return [name for name in listed.stdout.split("\0") if name and (project / name).is_file()]


def _make_environment(root: Path) -> None:
    """An environment that has what ours has, but the members from the copy.

    PYTHONPATH would do for pytest alone; the tests that start a service give it an environment of its own. A `.pth`
    file that is reached through another one is not read, so the editable installs of the original stay out.
    """
    venv.create(root / ".venv", with_pip=False, symlinks=True)
    members = [str(path) for folder in ("libs", "services") for path in sorted((root / folder).glob("*/src"))]
    installed = [path for path in sys.path if Path(path).name == "site-packages"]
    major, minor = sys.version_info[:2]
    site_packages = root / ".venv" / "lib" / f"python{major}.{minor}" / "site-packages"
    (site_packages / "workbench.pth").write_text("\n".join([*members, *installed]) + "\n", encoding="utf-8")


@contextmanager
def _endings_held() -> Iterator[set[signal.Signals | int]]:
    """Let an ending wait, as nobody knows of a process that is being started. Yields what was held before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End whatever of the suite still runs: a mutant may hang, or lose hold of a process that it started.

    While the suite runs its descendants are known, also those in sessions of their own, as the emulator is; afterwards
    only its own session is.
    """
    with suppress(psutil.NoSuchProcess):
        for descendant in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                descendant.kill()
    with suppress(ProcessLookupError):  # nothing is left, as it should be
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
