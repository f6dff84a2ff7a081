"""The figures of the benchmark, each with the baseline that it is a ratio to, measured in turns."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import quantiles

from bench import processes
from bench.growth import growth, started_intake, started_processor
from bench.intake_rows import intake_rows
from bench.peers import Peer, installed
from bench.processes import PROJECT, Running, measured, progress, stub
from bench.row import ROUND_TRIP_MS, Effort, Figures, Row, each_alone

_PLAIN, _TIMED = (f"bench.contenders.{name}" for name in ("plain_consumer", "timed_processor"))


def rows(effort: Effort) -> dict[str, Row]:
    """Every row by its number in the issue's table; rows whose parts are not installed are left out."""
    return (
        dict(intake_rows(effort)) | dict(_slot_rows(effort)) | dict(_message_rows(effort)) | dict(_other_rows(effort))
    )


def _slot_rows(effort: Effort) -> Iterator[tuple[str, Row]]:
    for slots in (1, 5, 20, 100, 1000):
        measure = _timed(slots, payment=3.0, figure="occupancy", seconds=effort.seconds * 4, warm_up=6.0)
        title = f"slots busy, {slots} slots, payments of 3 s"
        yield f"5 at {slots}", Row(title=title, contenders=each_alone({"ours": measure}), must=0.993, unit="of all")
    # At 1,000 slots the core is the limit, which a busy neighbour of the machine takes a part of for seconds.
    for slots, must, turns in ((20, 0.98, 1), (100, 0.98, 1), (1000, 0.65, 3)):
        measure = _timed(slots, payment=0.1, figure="completions", seconds=effort.seconds * 2, warm_up=2.0)
        title = f"completions, {slots} slots, payments of 0.1 s, ledger off"
        contenders = each_alone({"ours": measure})
        yield f"6 at {slots}", Row(title=title, contenders=contenders, must=must, unit="of N ÷ d", turns=turns)


def _message_rows(effort: Effort) -> Iterator[tuple[str, Row]]:
    for peer in installed():
        beside = each_alone({"ours": partial(_worked, effort), peer.name: partial(_worked, effort, peer)})
        title = f"CPU of a message, 100 slots, payments of 0.1 s, beside {peer.name}"
        yield f"7 {peer.name}", Row(title=title, contenders=beside, must=peer.must, at_most=True, unit="us")
    contenders = each_alone(
        {
            "ours": lambda: _settled("order_processor", effort),
            "plain aiobotocore consumer": lambda: _settled(_PLAIN, effort),
        }
    )
    yield "8", Row(title="CPU of a settled order", contenders=contenders, must=0.35, at_most=True, unit="us")


def _healthy_row(effort: Effort) -> Row:
    return Row(
        title="p99 of a healthy order, 1 % poison and 5 % of payments hang, 100/s",
        contenders=each_alone(
            {
                "with them": lambda: _healthy(effort, poison=1, hanging=5),
                "without": lambda: _healthy(effort, poison=0, hanging=0),
            }
        ),
        must=1.1,
        at_most=True,
        unit="ms",
    )


def _other_rows(effort: Effort) -> Iterator[tuple[str, Row]]:
    yield "11", _healthy_row(effort)
    for name, started in (("processor", started_processor), ("intake", started_intake)):
        title = f"{name}: memory, or CPU of an order, after {effort.orders} orders ÷ at the first thousands, the larger"
        grow = each_alone({"ours": partial(growth, started, effort.orders)})
        yield f"9 {name}", Row(title=title, contenders=grow, must=1.05, at_most=True, unit="of the first")
    boto3 = next(iter(sorted(PROJECT.glob(".venv-*/lib/python3*/site-packages/boto3"))), None)
    if boto3 is not None:
        variables = {"BOTO3_PATH": str(boto3.parent)}
        contenders = each_alone(
            {
                "ours": lambda: _cold_start("lambda_handler.main", {}),
                "on boto3": lambda: _cold_start("bench.contenders.boto3_handler", variables),
            }
        )
        # A single start takes up to a fifth more than another.
        row = Row(title="cold start of the function", contenders=contenders, must=0.7, at_most=True, unit="ms", turns=5)
        yield "10", row


def _timed(slots: int, *, payment: float, figure: str, seconds: float, warm_up: float) -> Callable[[], Figures]:
    def measure() -> Figures:
        with stub(round_trip_ms=ROUND_TRIP_MS) as aws:
            variables = {"WORKERS": slots, "PAYMENT_SECONDS": payment, "SECONDS": seconds, "WARM_UP": warm_up}
            environment = {name: str(value) for name, value in variables.items()}
            found = processes.report_of(_TIMED, stub_port=aws.port, environment=environment)
            return {**found, "value": found[figure]}

    return measure


def _worked(effort: Effort, peer: Peer | None = None) -> Figures:
    command = peer.command if peer else [_TIMED]
    hours = {"WORKERS": "100", "PAYMENT_SECONDS": "0.1", "SECONDS": "3600", "WARM_UP": "0"}
    options = {"body": peer.body} if peer else {}
    with (
        stub(round_trip_ms=ROUND_TRIP_MS, **options) as aws,
        measured(*command, stub_port=aws.port, environment=hours, listens=False) as consumer,
    ):
        return _cpu_of_an_acknowledged(consumer, aws.port, effort)


def _cpu_of_an_acknowledged(consumer: Running, stub_port: int, effort: Effort) -> Figures:
    while not progress(stub_port)["acknowledged"]:
        time.sleep(0.1)
    time.sleep(effort.warm_up)
    cpu, done = consumer.cpu_seconds, progress(stub_port)["acknowledged"]
    time.sleep(effort.seconds)
    settled = progress(stub_port)["acknowledged"] - done
    return {
        "value": (consumer.cpu_seconds - cpu) / max(settled, 1) * 1e6,
        "orders_per_second": settled / effort.seconds,
    }


def _settled(program: str, effort: Effort) -> Figures:
    environment = {"WORKERS": "100", "LOG_LEVEL": "info"}
    with (
        stub(round_trip_ms=ROUND_TRIP_MS, payment_ms=100.0) as aws,
        measured(program, stub_port=aws.port, environment=environment, listens=program != _PLAIN) as consumer,
    ):
        return _cpu_of_an_acknowledged(consumer, aws.port, effort)


def _healthy(effort: Effort, **troubles: float) -> Figures:
    environment = {"WORKERS": "100", "LOG_LEVEL": "info", "PAYMENT_TIMEOUT_SECONDS": "1"}
    with (
        stub(round_trip_ms=ROUND_TRIP_MS, payment_ms=100.0, rate=100, **troubles) as aws,
        measured("order_processor", stub_port=aws.port, environment=environment),
    ):
        time.sleep(effort.warm_up + 1.0)
        before = len(progress(aws.port)["settled_ms"])
        time.sleep(effort.seconds * 4)
        settled = quantiles(progress(aws.port)["settled_ms"][before:], n=100)
    return {"value": settled[98], "p50_ms": settled[49]}


def _cold_start(module: str, environment: Mapping[str, str]) -> Figures:
    variables = {"ORDERS_TABLE": "orders", "GATEWAY_URL": "http://gateway.test", "AWS_REGION": "us-east-1"}
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_CONFIG_FILE": str(Path(os.devnull))}
    started = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own programs
        [sys.executable, "-c", f"import {module}"],
        cwd=PROJECT,
        env={**os.environ, **variables, **keys, **environment},
        check=True,
    )
    return {"value": (time.perf_counter() - started) * 1e3}
