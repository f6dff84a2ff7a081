"""The figures of the intake: unlimited, limited, and beside others."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import processes
from bench.limited import limit_product
from bench.processes import PROJECT, Running, measured, shop, stub
from bench.row import ROUND_TRIP_MS, Contender, Contenders, Effort, Figures, Measure, Row, each_alone
from bench.stock_table import NAME

_BARE, _PUBLISH = (f"bench.contenders.{name}" for name in ("bare_intake", "publish_intake"))
_LOSERS_A_SECOND, _LOSERS_UNITS = 1_000, 100
# A busy neighbour of this machine comes and goes within seconds: between short windows it meets both alike.
_TURNS = 3
# More of them where the must is near.
_NARROW_TURNS = 9
# Until as many answers come as orders go: hundreds of connections order first all at once.
_SETTLING_SECONDS = 0.25
_GO_SDK = Path("/usr/share/gocode/src/github.com/aws/aws-sdk-go-v2")


def intake_rows(effort: Effort) -> Iterator[tuple[str, Row]]:
    def ours(connections: int) -> Contender:
        return partial(_intake, "order_api", connections, effort)

    contenders: Contenders = {"ours": ours(256), "bare handler": partial(_intake, _BARE, 256, effort)}
    yield "1", Row(title="intake, 256 connections", contenders=contenders, must=0.30, turns=_TURNS)
    go = go_intake()
    if go is not None:
        contenders = {"ours": ours(64), "Go, one Publish a request": partial(_intake, str(go), 64, effort)}
        yield "2", Row(title="intake, 64 connections", contenders=contenders, must=1.0, turns=_NARROW_TURNS)
    contenders = {"ours": ours(64), "aiobotocore, one Publish a request": partial(_intake, _PUBLISH, 64, effort)}
    yield "3", Row(title="intake, 64 connections", contenders=contenders, must=5.0, turns=_TURNS)
    yield "4", _latency_row(effort)
    yield from _limited_rows(effort)


def _limited_rows(effort: Effort) -> Iterator[tuple[str, Row]]:
    # A limited order waits for two round trips in turn, so few connections cannot keep the core busy with it, however
    # little it takes: what they bring tells of the round trip.
    for number, connections, must, turns in (("12", 256, 0.8, _NARROW_TURNS), ("12/64", 64, None, _TURNS)):
        contenders: Contenders = {
            "limited": partial(_limited_intake, effort, connections),
            "unlimited": partial(_intake, "order_api", connections, effort),
        }
        title = f"intake of a limited product, {connections} connections"
        yield number, Row(title=title, contenders=contenders, must=must, turns=turns)
    for name, keys in (("losers", 0), ("losers with keys", 1)):
        contenders = each_alone(
            {"told": partial(_told, effort, keys), "an accept and 50 ms": partial(_accepted, effort, keys)}
        )
        title = f"p99 until {name} are told so, {_LOSERS_A_SECOND:,}/s"
        yield f"12 {name}", Row(title=title, contenders=contenders, must=1.0, at_most=True, unit="ms")


def _latency_row(effort: Effort) -> Row:
    return Row(
        title="accept p99, open loop at 4,000/s, 10 ms round trip",
        contenders=each_alone({"ours": lambda: _accept(effort, rate=4_000, round_trip_ms=10.0)}),
        must=40.0,
        at_most=True,
        unit="ms",
    )


def go_intake() -> Path | None:
    """The Go contender, built from Debian's packages of Go and its AWS SDK; None where they are not installed."""
    if shutil.which("go") is None or not _GO_SDK.exists():
        return None
    source, built = PROJECT / "bench" / "contenders" / "go_intake" / "main.go", PROJECT / "dist" / "go-intake"
    variables = {"GO111MODULE": "off", "GOPATH": str(_GO_SDK.parents[3]), "GOFLAGS": ""}
    command = ["go", "build", "-o", str(built), str(source)]
    subprocess.run(command, env={**os.environ, **variables}, check=True)  # noqa: S603 - our own source
    return built


@contextmanager
def _intake(program: str, connections: int, effort: Effort) -> Iterator[Measure]:
    with stub(round_trip_ms=ROUND_TRIP_MS) as aws, measured(program, stub_port=aws.port) as intake:
        yield _warmed_up(intake, effort, connections)


@contextmanager
def _limited_intake(effort: Effort, connections: int) -> Iterator[Measure]:
    with stub(round_trip_ms=ROUND_TRIP_MS) as aws:
        limit_product(processes.variables(aws.port))
        with measured("order_api", stub_port=aws.port, environment={"STOCK_TABLE": NAME}) as intake:
            yield _warmed_up(intake, effort, connections)


def _warmed_up(intake: Running, effort: Effort, connections: int) -> Measure:
    _warm_up(intake, effort, connections=connections)
    window = effort.seconds / _TURNS
    return partial(_window, intake, window, settling=_SETTLING_SECONDS, connections=connections)


def _told(effort: Effort, keys: int) -> Figures:
    with stub(round_trip_ms=ROUND_TRIP_MS) as aws:
        limit_product(processes.variables(aws.port), units=_LOSERS_UNITS)
        with measured("order_api", stub_port=aws.port, environment={"STOCK_TABLE": NAME}) as intake:
            figures = _load(intake, effort, status="409", connections=512, rate=_LOSERS_A_SECOND, keys=keys)
    return {**figures, "value": figures["p99_ms"]}


def _accepted(effort: Effort, keys: int) -> Figures:
    figures = _accept(effort, rate=_LOSERS_A_SECOND, round_trip_ms=ROUND_TRIP_MS, keys=keys)
    return {**figures, "value": figures["p99_ms"] + 50.0}


def _accept(effort: Effort, *, rate: float, round_trip_ms: float, keys: int = 0) -> Figures:
    with stub(round_trip_ms=round_trip_ms) as aws, measured("order_api", stub_port=aws.port) as intake:
        figures = _load(intake, effort, connections=512, rate=rate, keys=keys)
        return {**figures, "orders_per_second": figures["value"], "value": figures["p99_ms"]}


def _load(intake: Running, effort: Effort, *, status: str = "202", **options: float) -> Figures:
    _warm_up(intake, effort, **options)
    return _window(intake, effort.seconds, status=status, **options)


def _warm_up(intake: Running, effort: Effort, **options: float) -> None:
    shop(port=intake.port, **options, seconds=effort.warm_up, warm_up=0.0)


def _window(
    intake: Running, seconds: float, *, status: str = "202", settling: float = 0.0, **options: float
) -> Figures:
    cpu = intake.cpu_seconds
    found = shop(port=intake.port, **options, seconds=seconds, warm_up=settling)
    wanted, answers = found["statuses"].get(status, 0), sum(found["statuses"].values())
    percentiles = {name: value for name, value in found.items() if name.endswith("_ms")}
    return {
        "value": wanted / seconds,
        "cpu_us": (intake.cpu_seconds - cpu) / max(found["answered"], 1) * 1e6,
        **percentiles,
        "answered_otherwise": answers - wanted,
    }
