# ruff: noqa: INP001 - a script, run by its path
"""Group commit against one publish per request: orders per second and CPU, as a ratio.

Baseline: `publish-per-request`, one SNS `Publish` call of aiobotocore for each order. Both arms speak to the same
stub of SNS in a process of its own, which answers after a fixed round trip; they take turns, round by round. The
callers are closed-loop: each sends its next order when the last one is acknowledged.

    python bench/bench_publisher.py [--rounds 5] [--orders 1000] [--callers 200] [--round-trip-ms 10]
"""

import argparse
import asyncio
import multiprocessing
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from multiprocessing.connection import Connection
from urllib.parse import parse_qs

from aiohttp import web

from flashbus.attributes import message_attributes
from flashbus.clients import aws_client
from flashbus.publisher import GroupCommitPublisher
from flashbus.sns import SnsTopic
from flashbus.topic import Entry

TOPIC_ARN = "arn:aws:sns:us-east-1:000000000000:bench"
# What one order of two lines comes to as an event.
ENTRY = Entry("x" * 620, {"type": "com.flashsale.order.placed.v1", "traceparent": "0" * 55})
BASELINE = "publish-per-request"
CANDIDATE = "group-commit"

Publish = Callable[[Entry], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Load:
    """How much is sent, by how many at once."""

    orders: int
    callers: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """One arm's turn; CPU is this process's, without the stub."""

    orders_per_second: float
    cpu_us_per_order: float
    p50_ms: float
    p99_ms: float


def serve_stub(ready: Connection, round_trip_seconds: float) -> None:
    """Answer like SNS, after the round trip, until the process is ended."""

    async def answer(request: web.Request) -> web.Response:
        form = parse_qs((await request.read()).decode())
        await asyncio.sleep(round_trip_seconds)
        return web.Response(text=_acknowledgement(form), content_type="text/xml")

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


def _acknowledgement(form: dict[str, list[str]]) -> str:
    action = form["Action"][0]
    identities = [value[0] for name, value in form.items() if name.endswith(".Id")]
    members = "".join(f"<member><Id>{one}</Id><MessageId>m</MessageId></member>" for one in identities)
    result = "<MessageId>m</MessageId>" if action == "Publish" else f"<Successful>{members}</Successful><Failed/>"
    return f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"


async def measure(publish: Publish, load: Load) -> Round:
    """Send all orders and time each one."""
    remaining = iter(range(load.orders))
    durations: list[float] = []

    async def caller() -> None:
        for _ in remaining:
            started = time.perf_counter()
            await publish(ENTRY)
            durations.append(time.perf_counter() - started)

    wall, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(load.callers):
            group.create_task(caller())
    return _round(durations, wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def _round(durations: list[float], *, wall: float, cpu: float) -> Round:
    percentiles = statistics.quantiles(durations, n=100)
    return Round(
        orders_per_second=len(durations) / wall,
        cpu_us_per_order=cpu / len(durations) * 1e6,
        p50_ms=percentiles[49] * 1e3,
        p99_ms=percentiles[98] * 1e3,
    )


async def compare(*, port: int, rounds: int, load: Load) -> dict[str, list[Round]]:
    """Let both arms take turns, after one turn each that does not count."""
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    async with aws_client(
        "sns", max_pool_connections=load.callers, max_attempts=1, read_timeout=timedelta(seconds=60), environ=variables
    ) as client:

        async def publish_alone(entry: Entry) -> None:
            attributes = message_attributes(entry.attributes)
            await client.publish(TopicArn=TOPIC_ARN, Message=entry.message, MessageAttributes=attributes)

        topic = SnsTopic(client=client, topic_arn=TOPIC_ARN)
        async with GroupCommitPublisher(topic=topic, timeout=timedelta(seconds=60)) as publisher:
            arms: dict[str, Publish] = {BASELINE: publish_alone, CANDIDATE: publisher.publish}
            warm_up = Load(orders=load.orders // 10, callers=load.callers)
            for publish in arms.values():
                await measure(publish, warm_up)
            measured: dict[str, list[Round]] = {name: [] for name in arms}
            for _ in range(rounds):
                for name, publish in arms.items():
                    measured[name].append(await measure(publish, load))
            return measured


def report(measured: dict[str, list[Round]], *, load: Load, round_trip_ms: float) -> str:
    """Say what was measured, on what, and how much it varied."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("aiobotocore", "aiohttp"))
    lines = [
        f"Python {platform.python_version()}, {versions}, {platform.machine()}",
        f"{load.orders} orders a round by {load.callers} callers, round trip {round_trip_ms:g} ms",
    ]
    for name, rounds in measured.items():
        lines.append(
            f"{name:<20} {_range([one.orders_per_second for one in rounds]):>24} orders/s"
            f" {_range([one.cpu_us_per_order for one in rounds]):>22} us CPU/order"
            f"   p50 {_range([one.p50_ms for one in rounds])} ms   p99 {_range([one.p99_ms for one in rounds])} ms"
        )
    pairs = list(zip(measured[CANDIDATE], measured[BASELINE], strict=True))
    throughput = [ours.orders_per_second / theirs.orders_per_second for ours, theirs in pairs]
    cpu = [theirs.cpu_us_per_order / ours.cpu_us_per_order for ours, theirs in pairs]
    lines.append(f"throughput, {CANDIDATE} over {BASELINE}: {_range(throughput, digits=2)}")
    lines.append(f"CPU per order, {BASELINE} over {CANDIDATE}: {_range(cpu, digits=2)}")
    return "\n".join(lines)


def _range(values: list[float], *, digits: int = 0) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description="Group commit against one publish per request.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=1_000, help="orders in one round of one arm")
    parser.add_argument("--callers", type=int, default=200, help="orders under way at once")
    parser.add_argument("--round-trip-ms", type=float, default=10.0)
    options = parser.parse_args()
    load = Load(orders=options.orders, callers=options.callers)
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    stub = context.Process(target=serve_stub, args=(theirs, options.round_trip_ms / 1e3), daemon=True)
    stub.start()
    try:
        measured = asyncio.run(compare(port=ours.recv(), rounds=options.rounds, load=load))
    finally:
        stub.terminate()
        stub.join()
    print(report(measured, load=load, round_trip_ms=options.round_trip_ms))  # noqa: T201 - what a benchmark is for


if __name__ == "__main__":
    main()
