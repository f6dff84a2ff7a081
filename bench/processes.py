"""Processes on cores of their own: the one measured on one, stub and load on the other."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

PROJECT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 30.0
_ACCOUNT = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def cores() -> tuple[int, int]:
    """The core of what is measured, and the core of the rest; the same one where there is only one."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return available[-1], available[0]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A process, and its port."""

    process: psutil.Process
    port: int

    @property
    def cpu_seconds(self) -> float:
        """What it and the processes that it started have used so far."""
        times = [process.cpu_times() for process in (self.process, *self.process.children(recursive=True))]
        return float(sum(one.user + one.system for one in times))

    @property
    def memory_mb(self) -> float:
        """What it holds in memory now."""
        return float(self.process.memory_info().rss / 1e6)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def stub(**options: float | str) -> Iterator[Running]:
    """The stub, until the end of the block."""
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    process = _start(["bench.stub", *flags], core=cores()[1], environment={}, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None  # noqa: S101 - piped
        yield Running(process=psutil.Process(process.pid), port=int(process.stdout.readline()))
    finally:
        _end(process)


@contextmanager
def measured(
    *command: str, stub_port: int, environment: Mapping[str, str] | None = None, listens: bool = True
) -> Iterator[Running]:
    """One contender, once its port answers if it listens to one, until the end of the block."""
    port = free_port()
    environ = {**variables(stub_port), "PORT": str(port), **(environment or {})}
    process = _start(command, core=cores()[0], environment=environ, stdout=subprocess.DEVNULL)
    try:
        if listens:
            _wait_for(port, process)
        yield Running(process=psutil.Process(process.pid), port=port)
    finally:
        _end(process)


def report_of(module: str, *, stub_port: int, environment: Mapping[str, str]) -> dict[str, float]:
    """Run a contender that measures itself, and return what it printed."""
    environ = {**variables(stub_port), **environment}
    process = _start([module], core=cores()[0], environment=environ, stdout=subprocess.PIPE)
    printed = process.communicate(timeout=600)[0].splitlines()
    answer: dict[str, float] = json.loads(printed[-1])
    return answer


def shop(**options: float) -> dict[str, Any]:
    """Run the load, and return what it found."""
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    process = _start(["bench.shopper", *flags], core=cores()[1], environment={}, stdout=subprocess.PIPE)
    answer: dict[str, Any] = json.loads(process.communicate(timeout=120)[0])
    return answer


def progress(stub_port: int) -> dict[str, Any]:
    """What the stub has given, what was acknowledged, and how late the healthy orders were."""
    with urlopen(f"http://127.0.0.1:{stub_port}/", timeout=5) as response:
        answer: dict[str, Any] = json.loads(response.read())
    return answer


def variables(stub_port: int) -> dict[str, str]:
    """What every contender finds in its environment."""
    stub_url = f"http://127.0.0.1:{stub_port}"
    return {
        "AWS_ENDPOINT_URL": stub_url,
        **_ACCOUNT,
        "NO_PROXY": "127.0.0.1",
        "ROUND_TRIP_MS": "5",
        "GOMAXPROCS": "1",
        "ORDERS_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:orders",
        "ORDERS_TABLE": "orders",
        "PRODUCTS_TABLE": "products",
        "ORDER_ID_SECRET": "s" * 48,
        "QUEUE_URL": f"{stub_url}/000000000000/orders",
        "DEAD_LETTER_QUEUE_URL": f"{stub_url}/000000000000/dead",
        "GATEWAY_URL": stub_url,
        "OPERATIONS_PORT": "0",
    }


def _start(
    command: Sequence[str], *, core: int, environment: Mapping[str, str], stdout: int
) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(  # noqa: S603 - our own programs
        list(command) if "/" in command[0] or shutil.which(command[0]) else [sys.executable, "-m", *command],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdout=stdout,
        stderr=subprocess.DEVNULL,
    )
    if sys.platform == "linux":
        psutil.Process(process.pid).cpu_affinity([core])
    return process


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} does not listen")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
