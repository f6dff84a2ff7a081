"""Limited stock: what an order costs beside its publish, and how many writes it takes.

Baseline: `publish`, an order that is only published, by group commit. Candidate: `limited`, the same order with its
units reserved out of a lease and its message journaled before. The topic is a wait as long as a round trip; the stock
table is DynamoDB in the embedded AWS, in a process of its own, spoken to by aiobotocore. The arms take turns, round by
round, on callers that send their next order when the last one is acknowledged.

    python -m bench.bench_stock [--rounds 5] [--orders 2000] [--callers 100] [--round-trip-ms 10]
"""

import argparse
import asyncio
import os
import platform
import secrets
import statistics
import time
from base64 import b32encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from math import ceil
from typing import Any

from flashbus.clients import aws_client
from flashbus.publisher import GroupCommitPublisher
from flashbus.topic import Entry, Refusal
from flashmsg import ORDER_PLACED_TYPE, Order, PricedLine, Reservation, encode_placed
from flashstock.dynamo import DynamoTable
from flashstock.seller import Seller
from flashstock.stock import Stock
from flashstock.table import Delete, Item, Put, StockTable, Update, Write
from local.emulator import blocking_emulator

_CAP = PricedLine(product_id="cap", quantity=1, unit_price_minor=1_999)
_UNIT_BYTES = 1024
BASELINE = "publish"
CANDIDATE = "limited"
STOCK = 10**8

Place = Callable[[], Awaitable[None]]


class SleepingTopic:
    """Acknowledges everything after a round trip."""

    def __init__(self, round_trip_seconds: float) -> None:
        self._round_trip_seconds = round_trip_seconds

    async def publish_batch(self, _entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        """See `Topic.publish_batch`."""
        await asyncio.sleep(self._round_trip_seconds)
        return {}


class CountingTable:
    """Counts the requests that write, and the write units of pages: DynamoDB counts one for each KB begun."""

    def __init__(self, inner: StockTable) -> None:
        self._inner = inner
        self.writes = 0
        self.page_units = 0

    async def read(self, ids: Sequence[str]) -> Mapping[str, Item]:
        """See `StockTable.read`."""
        return await self._inner.read(ids)

    async def write(self, write: Put | Update | Delete) -> Item:
        """See `StockTable.write`."""
        self.writes += 1
        if isinstance(write, Put):
            self.page_units += ceil(len(str(write.item)) / _UNIT_BYTES)
        return await self._inner.write(write)

    async def transact(self, writes: Sequence[Write]) -> None:
        """See `StockTable.transact`."""
        self.writes += len(writes)
        await self._inner.transact(writes)


@dataclass(frozen=True, kw_only=True)
class Round:
    """One arm's turn; CPU is this process's, without the embedded AWS."""

    orders_per_second: float
    cpu_us_per_order: float
    p50_ms: float
    p99_ms: float
    writes_per_order: float
    page_units_per_order: float


async def measure(place: Place, table: CountingTable, *, orders: int, callers: int) -> Round:
    """Place all orders and time each one."""
    remaining = iter(range(orders))
    durations: list[float] = []

    async def caller() -> None:
        for _ in remaining:
            started = time.perf_counter()
            await place()
            durations.append(time.perf_counter() - started)

    wall, cpu, writes, units = time.perf_counter(), time.process_time(), table.writes, table.page_units
    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    percentiles = statistics.quantiles(durations, n=100)
    return Round(
        orders_per_second=orders / wall,
        cpu_us_per_order=cpu / orders * 1e6,
        p50_ms=percentiles[49] * 1e3,
        p99_ms=percentiles[98] * 1e3,
        writes_per_order=(table.writes - writes) / orders,
        page_units_per_order=(table.page_units - units) / orders,
    )


async def compare(environment: Mapping[str, str], options: argparse.Namespace) -> dict[str, list[Round]]:
    """Let both arms take turns, after one turn each that does not count."""
    topic = SleepingTopic(options.round_trip_ms / 1e3)
    async with aws_client("dynamodb", environ=environment) as client:
        table = CountingTable(await _new_table(client))
        stock = Stock(table)
        await stock.counters.set_total("cap", STOCK)
        async with (
            GroupCommitPublisher(topic=topic, timeout=timedelta(seconds=60)) as publisher,
            Seller(stock=stock, publish_again=_never, owner="bench") as seller,
        ):

            async def published() -> None:
                await publisher.publish(_message(None))

            async def limited() -> None:
                hold = await seller.reserve({"cap": 1})
                message = _message(hold.reservation)
                await hold.commit(message.message, message.attributes)
                await publisher.publish(message)
                hold.published()

            arms: dict[str, Place] = {BASELINE: published, CANDIDATE: limited}
            measured: dict[str, list[Round]] = {name: [] for name in arms}
            for turn in range(options.rounds + 1):
                for name, place in arms.items():
                    result = await measure(place, table, orders=options.orders, callers=options.callers)
                    measured[name] += [result] if turn else []
            return measured


def _message(reservation: Reservation | None) -> Entry:
    """An order as the intake publishes it: its ids and its trace are like in no other."""
    order = Order(
        order_id="ord_" + b32encode(os.urandom(25)).decode().lower(),
        customer_id=secrets.randbelow(10**6),
        items=(_CAP,),
        currency="EUR",
        total_minor=_CAP.total_minor,
        created_at=datetime.now(UTC),
    )
    traceparent = f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-01"
    body = encode_placed(order, traceparent=traceparent, reservation=reservation)
    return Entry(body, {"type": ORDER_PLACED_TYPE, "traceparent": traceparent})


async def _new_table(client: Any) -> StockTable:  # noqa: ANN401 - botocore builds its clients at run time
    await client.create_table(
        TableName="bench-stock",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    return DynamoTable(client=client, name="bench-stock")


async def _never(_entry: object) -> None:
    raise AssertionError("nothing is in doubt here")


def report(measured: dict[str, list[Round]], options: argparse.Namespace) -> str:
    """Say what was measured, on what, and how much it varied."""
    lines = [
        f"Python {platform.python_version()}, aiobotocore {version('aiobotocore')}, {platform.machine()}",
        f"{options.orders} orders a round by {options.callers} callers, round trip {options.round_trip_ms:g} ms",
    ]
    for name, rounds in measured.items():
        lines.append(
            f"{name:<8} {_range([one.orders_per_second for one in rounds]):>22} orders/s"
            f" {_range([one.cpu_us_per_order for one in rounds]):>18} us CPU/order"
            f"   p50 {_range([one.p50_ms for one in rounds])} ms   p99 {_range([one.p99_ms for one in rounds])} ms"
        )
    pairs = list(zip(measured[CANDIDATE], measured[BASELINE], strict=True))
    throughput = [ours.orders_per_second / theirs.orders_per_second for ours, theirs in pairs]
    cpu = [ours.cpu_us_per_order - theirs.cpu_us_per_order for ours, theirs in pairs]
    writes = [ours.writes_per_order for ours in measured[CANDIDATE]]
    lines.append(f"throughput, {CANDIDATE} over {BASELINE}: {_range(throughput, digits=2)}")
    lines.append(f"CPU per order that stock adds: {_range(cpu)} us")
    units = [ours.page_units_per_order for ours in measured[CANDIDATE]]
    lines.append(f"writes per limited order, heartbeat included: {_range(writes, digits=3)}")
    lines.append(f"write units per limited order, of pages: {_range(units, digits=3)}")
    return "\n".join(lines)


def _range(values: list[float], *, digits: int = 0) -> str:
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description="What limited stock costs an order.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=2_000, help="orders in one round of one arm")
    parser.add_argument("--callers", type=int, default=100, help="orders under way at once")
    parser.add_argument("--round-trip-ms", type=float, default=10.0)
    options = parser.parse_args()
    with blocking_emulator() as emulator:
        measured = asyncio.run(compare(emulator.environment, options))
    print(report(measured, options))  # noqa: T201 - what a benchmark is for


if __name__ == "__main__":
    main()
