import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from local.ports import free_port
from local.processes import ManagedProcess, ProcessFailedError
from local.waiting import wait_until

SERVER = (
    "import http.server as h, sys;"
    "h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.SimpleHTTPRequestHandler).serve_forever()"
)
STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
PARENT = (
    "import subprocess,sys,time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    "print(child.pid, flush=True); time.sleep(60)"
)


def process(
    tmp_path: Path, code: str, *arguments: str, ready_url: str | None = None, **limits: float
) -> ManagedProcess:
    return ManagedProcess(
        name="part",
        argv=[sys.executable, "-c", code, *arguments],
        environment={},
        log_path=tmp_path / "part.log",
        ready_url=ready_url,
        **limits,
    )


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until_logged(part: ManagedProcess) -> str:
    async def logged() -> bool:
        return bool(part.log_tail())

    await wait_until(logged, seconds=10)
    return part.log_tail()


async def test_a_process_is_ready_when_its_url_answers_and_gone_after_the_block(tmp_path: Path) -> None:
    port = free_port()
    part = process(tmp_path, SERVER, str(port), ready_url=f"http://127.0.0.1:{port}/")
    async with part:
        assert part.returncode is None
    assert part.returncode == -signal.SIGTERM


def test_a_process_that_ends_before_it_is_ready_is_reported_with_its_log(tmp_path: Path) -> None:
    part = process(tmp_path, "print('no table'); raise SystemExit(3)", ready_url="http://127.0.0.1:9/")
    with pytest.raises(ProcessFailedError, match=r"part ended with code 3\nno table"), part:
        pass


def test_a_process_that_never_answers_is_stopped_and_reported(tmp_path: Path) -> None:
    part = process(tmp_path, "import time; time.sleep(60)", ready_url="http://127.0.0.1:9/", ready_seconds=0.3)
    with pytest.raises(ProcessFailedError, match="not ready after"), part:
        pass
    assert part.returncode is not None


async def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    async with process(tmp_path, STUBBORN, stop_seconds=0.3) as part:
        await until_logged(part)
    assert part.returncode == -signal.SIGKILL


async def test_grandchildren_end_with_the_process(tmp_path: Path) -> None:
    async with process(tmp_path, PARENT) as part:
        child = int(await until_logged(part))
        assert is_alive(child)

    async def gone() -> bool:
        return not is_alive(child) or _is_zombie(child)

    await wait_until(gone, seconds=10)
    assert not is_alive(child) or _is_zombie(child)


def _is_zombie(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


async def test_a_cancelled_stop_still_ends_the_process(tmp_path: Path) -> None:
    part = process(tmp_path, STUBBORN, stop_seconds=0.5)
    part.start()
    await until_logged(part)
    stopping = asyncio.create_task(part.aclose())
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert part.returncode == -signal.SIGKILL


def test_a_child_does_not_see_the_users_aws_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the-users-own")
    part = process(tmp_path, "import os; print(sorted(k for k in os.environ if k.startswith('AWS')))")
    part.start()
    assert part.wait(10) == 0
    assert part.log_tail() == "[]"
