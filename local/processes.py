"""Child processes with a readiness URL, a log file and an orderly end."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

POLL_SECONDS = 0.05
LOG_TAIL_LINES = 20
# What a child may inherit. Everything else is given explicitly: the user's own AWS_* must never reach a local run.
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "VIRTUAL_ENV")


class ProcessFailedError(Exception):
    """A child process ended, or did not become ready in time. The message holds the end of its log."""


class ManagedProcess:
    """One child process: started, awaited until it answers, stopped with SIGTERM.

    It leads a process group of its own, so a Ctrl-C in the terminal reaches only the parent, which stops its
    children in order, and so that grandchildren (the emulator's functions) end with it.
    """

    def __init__(
        self,
        *,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        log_path: Path,
        ready_url: str | None = None,
        ready_seconds: float = 30,
        stop_seconds: float = 45,
    ) -> None:
        """Describe a process; nothing starts yet.

        Args:
            name: what messages call it.
            argv: the command.
            environment: its variables, beside the few that every child inherits.
            log_path: the file that takes its standard output and error, appended.
            ready_url: answers 200 when the process can work; none means ready at once.
            ready_seconds: how long to wait for that.
            stop_seconds: how long it may take to end after SIGTERM before it is killed.
        """
        self.name = name
        self.log_path = log_path
        self._argv = list(argv)
        self._environment = {key: os.environ[key] for key in INHERITED if key in os.environ} | dict(environment)
        self._ready_url = ready_url
        self._ready_seconds = ready_seconds
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises ProcessFailedError when it was never started."""
        if self._process is None:
            raise ProcessFailedError(f"{self.name} is not started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or None while it runs or before it starts."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process without waiting for it to be ready."""
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command lines, no shell
                self._argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def is_ready(self) -> bool:
        """Whether it answers now; raises ProcessFailedError when it has ended."""
        if self.returncode is not None:
            raise ProcessFailedError(f"{self.name} ended with code {self.returncode}\n{self.log_tail()}")
        if self._ready_url is None:
            return True
        try:
            with urllib.request.urlopen(self._ready_url, timeout=2) as answer:  # noqa: S310  # loopback http
                return bool(answer.status == 200)  # noqa: PLR2004
        except (urllib.error.URLError, OSError):
            return False

    def wait_ready(self) -> None:
        """Block until it answers; raises ProcessFailedError when it ends first or time runs out."""
        deadline = time.monotonic() + self._ready_seconds
        while not self.is_ready():
            self._check(deadline)
            time.sleep(POLL_SECONDS)

    async def ready(self) -> None:
        """Like wait_ready(), without blocking the event loop."""
        deadline = time.monotonic() + self._ready_seconds
        while not await asyncio.to_thread(self.is_ready):
            self._check(deadline)
            await asyncio.sleep(POLL_SECONDS)

    def _check(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise ProcessFailedError(
                f"{self.name} was not ready after {self._ready_seconds:g} s ({self._ready_url})\n{self.log_tail()}"
            )

    def log_tail(self) -> str:
        """The last lines of its log."""
        if not self.log_path.exists():
            return ""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone, not to its group."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End the whole group at once, as a power cut would."""
        self._kill_group()
        if self._process is not None:
            self._process.wait()

    def wait(self, seconds: float) -> int:
        """Wait for it to end by itself; returns the exit code, or raises ProcessFailedError after `seconds`."""
        if self._process is None:
            raise ProcessFailedError(f"{self.name} is not started")
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as exc:
            raise ProcessFailedError(f"{self.name} still runs after {seconds:g} s\n{self.log_tail()}") from exc

    def stop(self) -> int | None:
        """SIGTERM, wait, and kill what is left of the group; returns the exit code."""
        if self._process is None:
            return None
        self.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # then the group is killed, and the exit code says so
            self._process.wait(timeout=self._stop_seconds)
        self._kill_group()
        return self._process.wait()

    def _kill_group(self) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return  # nobody of the group is left

    def __enter__(self) -> Self:
        """Start it and wait until it is ready."""
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    async def __aenter__(self) -> Self:
        """Start it and wait until it is ready."""
        self.start()
        try:
            await self.ready()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        await self.aclose()

    async def aclose(self) -> int | None:
        """stop() in a thread, finished even when the caller is cancelled meanwhile."""
        stopping = asyncio.ensure_future(asyncio.to_thread(self.stop))
        try:
            return await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await stopping
            raise


def service_process(
    module: str,
    *,
    name: str,
    environment: Mapping[str, str],
    log_path: Path,
    ready_url: str,
) -> ManagedProcess:
    """One of our services, run with this interpreter as `python -m module`."""
    return ManagedProcess(
        name=name,
        argv=[sys.executable, "-m", module],
        environment=environment,
        log_path=log_path,
        ready_url=ready_url,
    )
