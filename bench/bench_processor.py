# ruff: noqa: INP001, T201 - a script, run by its path, that prints
"""How much of its slots the processor uses, beside the usual loop: receive 10, gather, delete each.

Occupancy is payments in flight ÷ slots, weighted by time, from one payment after the start until the queue is
about to run dry. Payments last 0.5 to 1.5 times the mean; the contenders get the same ones, and take turns. The
in-memory queue answers after a fixed round trip; `--queue aws` makes real calls to what the AWS_* variables name.

    python bench/bench_processor.py [--slots 20 100] [--payment 0.3] [--rounds 3] [--queue memory|aws]
"""

import argparse
import asyncio
import logging
import os
import platform
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.metadata import version
from uuid import uuid4

import structlog
from prometheus_client import CollectorRegistry

from flashbus.clients import aws_client
from flashbus.queue import Queue
from flashbus.sqs import SqsQueue
from flashmsg import OrderPlaced, decode_sqs_body, encode
from flashpay import Approved, ChargeKnown, ChargeRequest, ChargeResult, NotCharged, Settler
from flashpay.testing import MemoryLedger
from order_processor.app import build_consumer
from order_processor.connections import Connections
from order_processor.testing import ProcessorHarness

ROUND_TRIP = timedelta(milliseconds=10)
OURS, NAIVE, NAIVE_TIMES = "order_processor", "receive 10, gather", "the same × slots/10"
CONTENDERS = (OURS, NAIVE, NAIVE_TIMES)
PACKAGES = ("aiobotocore", "aiohttp", "pydantic", "structlog", "prometheus-client")


class MeasuredGateway:
    """Takes its time, and adds up how many payments are in flight."""

    def __init__(self, *, mean: float, enough: int, seed: int) -> None:
        """Measure from one mean payment after the first until `enough` payments have begun."""
        self._mean = mean
        self._random = random.Random(seed)  # noqa: S311 - a repeatable load, no secret
        self._window = (mean, enough)
        self._begun, self._in_flight, self._sum = 0, 0, 0.0
        self._first = self._last = self._opened = 0.0
        self._closed = False

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ARG002, ASYNC109 - the protocol's
        """Approve after 0.5 to 1.5 times the mean."""
        self._move(1)
        try:
            await asyncio.sleep(self._mean * self._random.uniform(0.5, 1.5))
        finally:
            self._move(-1)
        return Approved(charge_id=f"ch_{request.order_id}")

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ARG002, ASYNC109 - the protocol's
        """Never needed: every charge here has its answer."""
        return NotCharged()

    def occupancy(self, slots: int) -> float:
        """Payments in flight ÷ slots over the window."""
        return self._sum / (self._last - self._opened) / slots

    def _move(self, change: int) -> None:
        now = time.perf_counter()
        warm_up, enough = self._window
        self._first = self._first or now
        if not self._closed and now - self._first >= warm_up:
            self._opened = self._opened or now
            self._sum += self._in_flight * (now - (self._last or now))
            self._last = now
        self._in_flight += change
        self._begun += change > 0
        self._closed = self._begun >= enough


async def naive(queue: Queue, settler: Settler, orders: int) -> None:
    """The usual loop; concurrency comes from the batch, ten at most."""
    done = 0
    while done < orders:
        messages = await queue.receive(most=10, wait=timedelta(seconds=1), visibility=timedelta(seconds=60))
        await asyncio.gather(*(settler.settle(decode_sqs_body(message.body).data) for message in messages))
        for message in messages:
            await queue.delete_batch([message.receipt])
        done += len(messages)


async def naive_workers(queue: Queue, settler: Settler, orders: int, slots: int) -> None:
    """As many of the usual loops as the slots allow at ten payments each."""
    loops = max(1, slots // 10)
    async with asyncio.TaskGroup() as group:
        for _ in range(loops):
            group.create_task(naive(queue, settler, orders // loops))


async def ours(processor: ProcessorHarness, queue: Queue, gateway: MeasuredGateway, orders: int) -> None:
    """The processor as it is wired in production, but for its ledger."""
    stop, registry = asyncio.Event(), CollectorRegistry()
    connections = Connections(queue=queue, dead_letter_queue=processor.dead, ledger=processor.ledger, gateway=gateway)
    consumer = build_consumer(
        processor.settings, connections=connections, registry=registry, stop=stop, clock=processor.now
    )
    running = asyncio.create_task(consumer.run())
    while (registry.get_sample_value("orders_settled_total", {"status": "completed"}) or 0) < orders:  # noqa: ASYNC110 - a metric has no event
        await asyncio.sleep(0.05)
    stop.set()
    await running


async def measure(contender: str, *, slots: int, payment: float, aws: bool, seed: int) -> float:
    """The occupancy of one contender with a fresh queue that holds 15 rounds of payments for it."""
    at_once = 10 if contender == NAIVE else slots
    orders = at_once * 15 // 10 * 10
    processor = ProcessorHarness(workers=slots, wait_seconds=1)
    gateway = MeasuredGateway(mean=payment, enough=orders - at_once, seed=seed)
    async with (aws_queue if aws else fake_queue)(processor, orders) as queue:
        settler = Settler(ledger=MemoryLedger(), gateway=gateway, owner="bench")
        if contender == OURS:
            await ours(processor, queue, gateway, orders)
        elif contender == NAIVE:
            await naive(queue, settler, orders)
        else:
            await naive_workers(queue, settler, orders, slots)
    return gateway.occupancy(slots)


@asynccontextmanager
async def fake_queue(processor: ProcessorHarness, orders: int) -> AsyncIterator[Queue]:
    """A full queue in memory."""
    await processor.place(orders)
    processor.queue.round_trip = ROUND_TRIP
    yield processor.queue


@asynccontextmanager
async def aws_queue(processor: ProcessorHarness, orders: int) -> AsyncIterator[Queue]:
    """A full queue in SQS."""
    async with aws_client("sqs", read_timeout=timedelta(seconds=10)) as client:
        url = (await client.create_queue(QueueName=f"bench-{uuid4().hex}"))["QueueUrl"]
        queue = SqsQueue(url=url, client=client, polling_client=client)
        for _ in range(orders):
            await queue.send(encode(OrderPlaced.of(processor.order())), attributes={})
        yield queue
        await client.delete_queue(QueueUrl=url)


def report(title: str, occupancies: Sequence[float]) -> str:
    """One line: the median and the range of the rounds."""
    low, middle, high = min(occupancies), statistics.median(occupancies), max(occupancies)
    return f"  {title:<22} {middle:6.1%}   ({low:.1%} to {high:.1%})"


def run(*, slots: int, payment: float, rounds: int, queue: str) -> None:
    """Measure every contender in every round, in turns, and print."""
    found: dict[str, list[float]] = {contender: [] for contender in CONTENDERS}
    for seed in range(rounds):
        for contender in CONTENDERS:
            measured = measure(contender, slots=slots, payment=payment, aws=queue == "aws", seed=seed)
            found[contender].append(asyncio.run(measured))
    print(f"{slots} slots, payments of {payment:g} s, {queue} queue, {rounds} rounds: median (range)")
    print("\n".join(report(contender, found[contender]) for contender in CONTENDERS), flush=True)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="Slots used ÷ slots, against the usual loop.")
    parser.add_argument("--slots", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--payment", type=float, default=0.3, help="mean seconds (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queue", choices=("memory", "aws"), default="memory")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    print(f"Python {platform.python_version()}, {packages}; {os.cpu_count()} cores", flush=True)
    for slots in arguments.slots:
        run(slots=slots, payment=arguments.payment, rounds=arguments.rounds, queue=arguments.queue)


if __name__ == "__main__":
    main()
