"""The real process: it is killed, stopped and misconfigured."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-m", "payment_gateway"]


class Gateway:
    """One process of the gateway on a free port."""

    def __init__(self, store: Path, **variables: str) -> None:
        environ = {"PATH": os.environ["PATH"], "PORT": "0", "CHARGE_STORE_PATH": str(store), "LATENCY_SECONDS": "0"}
        self.process = subprocess.Popen(COMMAND, env=environ | variables, stdout=subprocess.PIPE)  # noqa: S603 - ours
        assert self.process.stdout is not None
        # What it logs before it listens: nothing, unless there is something to tell.
        self.said: list[dict[str, Any]] = []
        while (event := json.loads(self.process.stdout.readline()))["event"] != "listening":
            self.said.append(event)
        assert event["service"] == "payment-gateway"
        self.port = int(event["port"])
        self.url = f"http://127.0.0.1:{self.port}"

    def charge(self, number: int, *, patience_seconds: float = 20) -> tuple[int, dict[str, Any]]:
        body = {"order_id": f"ord_{number}", "amount_minor": 100, "currency": "USD", "customer_id": 1}
        headers = {"Content-Type": "application/json", "Idempotency-Key": f"k{number}"}
        request = urllib.request.Request(f"{self.url}/v1/charges", json.dumps(body).encode(), headers)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=patience_seconds) as answer:  # noqa: S310 - loopback
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, json.load(exc)

    def summary(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/admin/summary", timeout=20) as answer:  # noqa: S310 - loopback
            return dict(json.load(answer))

    def metrics(self) -> list[str]:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=20) as answer:  # noqa: S310 - loopback
            return str(answer.read(), "utf-8").splitlines()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        _, _ = self.process.communicate(timeout=20)
        return self.process.returncode


@pytest.fixture
def start() -> Iterator[Callable[..., Gateway]]:
    started: list[Gateway] = []

    def begin(store: Path, **variables: str) -> Gateway:
        started.append(Gateway(store, **variables))
        return started[-1]

    yield begin
    for gateway in started:
        gateway.process.kill()
        gateway.process.communicate()


def test_a_killed_gateway_remembers_every_charge_it_answered(tmp_path: Path, start: Callable[..., Gateway]) -> None:
    store = tmp_path / "charges.sqlite3"
    first = start(store)
    answers = [first.charge(number) for number in range(5)]
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    second = start(store)
    assert [second.charge(number) for number in range(5)] == answers
    summary = second.summary()
    assert (summary["charges"], summary["replays"], summary["orders_charged_more_than_once"]) == (5, 5, 0)
    assert "log_lines_dropped_total 0.0" in second.metrics()


def test_killed_amid_charges_it_never_charges_twice(tmp_path: Path, start: Callable[..., Gateway]) -> None:
    store = tmp_path / "charges.sqlite3"
    first = start(store)
    heard: dict[int, Any] = {}
    halfway = threading.Event()

    def buy() -> None:
        for number in range(2000):
            try:
                heard[number] = first.charge(number)
            except (OSError, ValueError):
                return
            if number == 50:
                halfway.set()

    buyer = threading.Thread(target=buy)
    buyer.start()
    assert halfway.wait(20)
    first.end(signal.SIGKILL)
    buyer.join(20)
    second = start(store)
    assert {number: second.charge(number) for number in heard} == heard
    summary = second.summary()
    # One more than was heard at most: the one whose answer the kill cut off.
    assert len(heard) <= summary["charges"] <= len(heard) + 1
    assert summary["orders_charged_more_than_once"] == 0


def test_a_client_that_hangs_up_is_charged_all_the_same(tmp_path: Path, start: Callable[..., Gateway]) -> None:
    gateway = start(tmp_path / "charges.sqlite3", LATENCY_SECONDS="0.4")
    with pytest.raises(TimeoutError):
        gateway.charge(1, patience_seconds=0.05)
    # Meanwhile the key is in flight, and then it replays: the customer pays once.
    assert gateway.charge(1)[0] == 409
    while gateway.summary()["in_flight"]:
        assert gateway.process.poll() is None
    assert gateway.charge(1)[1]["status"] == "succeeded"
    assert (gateway.summary()["charges"], gateway.summary()["replays"]) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_the_charge_in_progress_and_refuses_those_waiting(
    tmp_path: Path, start: Callable[..., Gateway], number: signal.Signals
) -> None:
    gateway = start(tmp_path / "charges.sqlite3", LATENCY_SECONDS="0.5", CAPACITY="1")
    answers: list[int] = []
    buyers = [threading.Thread(target=lambda n=n: answers.append(gateway.charge(n)[0])) for n in range(3)]
    for buyer in buyers:
        buyer.start()
    while (summary := gateway.summary())["in_flight"] + summary["waiting"] < 3:
        assert gateway.process.poll() is None
    assert gateway.end(number) == 0
    for buyer in buyers:
        buyer.join(20)
    assert sorted(answers) == [200, 503, 503]


def test_one_connection_more_than_are_set_is_refused(tmp_path: Path, start: Callable[..., Gateway]) -> None:
    gateway = start(tmp_path / "charges.sqlite3", MAX_CONNECTIONS="1")
    with socket.create_connection(("127.0.0.1", gateway.port)), pytest.raises(urllib.error.HTTPError, match="503"):
        gateway.summary()


def run(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "PORT": "0", "CHARGE_STORE_PATH": str(tmp_path / "charges.sqlite3")}
    return subprocess.run(  # noqa: S603 - ours
        [*COMMAND, *arguments], env=environ | variables, capture_output=True, text=True, timeout=20, check=False
    )


def test_help_documents_every_variable(tmp_path: Path) -> None:
    shown = run(tmp_path, "--help")
    assert shown.returncode == 0
    for name in ("CHARGE_STORE_PATH", "LATENCY_SECONDS", "CAPACITY", "DECLINE_RATE", "FAILURE_RATE", "SEED"):
        assert f"  {name} " in shown.stdout


@pytest.mark.parametrize(
    ("variable", "value", "status"),
    [
        ("CAPACITY", "-1", 2),
        ("CAPACITY", "many", 2),
        ("DECLINE_RATE", "1.1", 2),
        ("LATENCY_SECONDS", "nan", 2),
        ("PORT", "70000", 2),
        ("SEED", "x", 2),
        ("CHARGE_STORE_PATH", "/dev/null/charges.sqlite3", 1),
        ("HOST", "203.0.113.1", 1),
    ],
)
def test_a_wrong_variable_is_named_and_nothing_starts(tmp_path: Path, variable: str, value: str, status: int) -> None:
    ended = run(tmp_path, **{variable: value})
    assert ended.returncode == status
    assert variable in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_old_spelling_of_the_path_still_works_and_the_start_says_so(
    tmp_path: Path, start: Callable[..., Gateway]
) -> None:
    first = start(tmp_path / "charges.sqlite3")
    first.charge(1)
    assert first.end(signal.SIGTERM) == 0
    # Both are set where an image has the present one as a default.
    again = start(tmp_path / "default.sqlite3", LEDGER_PATH=str(tmp_path / "charges.sqlite3"))
    assert [(event["old"], event["present"], event["level"]) for event in again.said] == [
        ("LEDGER_PATH", "CHARGE_STORE_PATH", "warning")
    ]
    assert again.summary()["charges"] == 1
    assert not (tmp_path / "default.sqlite3").exists()


def test_a_wrong_path_is_named_by_the_spelling_it_has(tmp_path: Path) -> None:
    ended = run(tmp_path, LEDGER_PATH="/dev/null/charges.sqlite3", LOG_LEVEL="error")
    assert ended.returncode == 1
    assert ended.stdout == "", "a warning is no error"
    assert "payment_gateway: LEDGER_PATH: " in ended.stderr


def test_a_second_gateway_on_the_same_store_does_not_start(tmp_path: Path, start: Callable[..., Gateway]) -> None:
    gateway = start(tmp_path / "charges.sqlite3")
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert "CHARGE_STORE_PATH" in ended.stderr
    assert gateway.charge(1)[0] == 200
