"""The embedded AWS: the emulator in an environment of its own, one process, loopback only."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.ports import free_port
from local.processes import ManagedProcess

PROJECT = Path(__file__).resolve().parent.parent
REGION = "us-east-1"


class EmulatorMissingError(Exception):
    """The emulator's environment is not installed."""


@dataclass(frozen=True, kw_only=True)
class RunningEmulator:
    """An embedded AWS that answers.

    `environment` holds the standard AWS_* variables that point any SDK at it.
    """

    endpoint_url: str
    log_path: Path
    pid: int

    @property
    def temporary(self) -> Path:
        """The folder of what is to last as long as it runs."""
        return _temporary(self.log_path.parent)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.endpoint_url.removeprefix("http://").partition(":")
        return host, int(port)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a client of this AWS; the credentials mean nothing outside it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1,localhost",
        }


def emulator_command() -> str:
    """The emulator's executable: FLASH_EMULATOR, or the one `make install` put beside the project."""
    command = os.environ.get("FLASH_EMULATOR") or str(PROJECT / ".venv-emulator" / "bin" / "ministack")
    if shutil.which(command) is None:
        raise EmulatorMissingError(f"the embedded AWS is not installed ({command}): run `make install`")
    return command


def emulator_process(*, port: int, folder: Path) -> ManagedProcess:
    """The emulator as a process that keeps its log and its temporary files under `folder`."""
    temporary = _temporary(folder)
    temporary.mkdir(parents=True, exist_ok=True)
    return ManagedProcess(
        name="embedded AWS",
        argv=[emulator_command()],
        environment=_environment(port, temporary),
        log_path=folder / "emulator.log",
        ready_url=f"http://127.0.0.1:{port}/_ministack/health",
        stop_seconds=5,
    )


def _temporary(folder: Path) -> Path:
    return folder / "emulator-tmp"


def _environment(port: int, temporary: Path) -> dict[str, str]:
    return {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "LOG_LEVEL": os.environ.get("FLASH_EMULATOR_LOG_LEVEL", "WARNING"),
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TMPDIR": str(temporary),
    }


def _running(process: ManagedProcess, port: int) -> RunningEmulator:
    return RunningEmulator(endpoint_url=f"http://127.0.0.1:{port}", log_path=process.log_path, pid=process.pid)


@asynccontextmanager
async def emulator(folder: Path) -> AsyncIterator[RunningEmulator]:
    """Run the embedded AWS on a free port for the length of the block."""
    port = free_port()
    async with emulator_process(port=port, folder=folder) as process:
        yield _running(process, port)
    shutil.rmtree(_temporary(folder), ignore_errors=True)


@contextmanager
def blocking_emulator() -> Iterator[RunningEmulator]:
    """emulator() for callers without an event loop, in a temporary folder."""
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="flash-", ignore_cleanup_errors=True) as folder,
        emulator_process(port=port, folder=Path(folder)) as process,
    ):
        yield _running(process, port)
