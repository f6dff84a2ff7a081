"""A sale of a limited product: several processes of the API, buyers who do not give up, and an auditor."""

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from flashstock.counters import Counters
from flashstock.dynamo import dynamo_stock
from flashstock.levels import StockLevel
from flashstock.stock import Stock
from local.aws import aws_client
from local.ports import free_port
from local.processes import ManagedProcess, service_process
from local.shop import RunningShop

PRODUCT = "desk-lamp"


@dataclass(frozen=True, kw_only=True)
class ApiProcess:
    """One process of the API."""

    url: str
    process: ManagedProcess


@asynccontextmanager
async def more_apis(shop: RunningShop, count: int) -> AsyncIterator[list[ApiProcess]]:
    """All processes of a shop's API: its own and `count` more of the same environment."""
    apis = [ApiProcess(url=shop.api_url, process=shop.api)]
    async with AsyncExitStack() as exits:
        for number in range(count):
            port, operations_port = free_port(), free_port()
            process = service_process(
                "order_api",
                name=f"order API {number + 2}",
                environment=shop.api._environment | {"PORT": str(port), "OPERATIONS_PORT": str(operations_port)},
                log_path=shop.api.log_path.with_name(f"order-api-{number + 2}.log"),
                ready_url=f"http://127.0.0.1:{operations_port}/readyz",
            )
            await exits.enter_async_context(process)
            apis.append(ApiProcess(url=f"http://127.0.0.1:{port}", process=process))
        yield apis


@asynccontextmanager
async def open_stock(shop: RunningShop) -> AsyncIterator[Stock]:
    """The shop's stock table."""
    async with aws_client("dynamodb", shop.emulator.environment) as dynamodb:
        yield dynamo_stock(client=dynamodb, table=shop.outputs["StockTableName"])


@dataclass(kw_only=True)
class Sale:
    """Buyers of one unit each, at any of the processes.

    Attributes:
        accepted: The orders that were answered 200 or 202.
        answers: How often each kind of answer came.
        over: When set, who is told "sold out" goes home.
        seconds: How long each kind of answer took.
        key: With which every buyer asks, however often.
    """

    apis: list[ApiProcess]
    session: aiohttp.ClientSession
    accepted: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    key: str = "lamp"

    async def buy(self, customer_id: int) -> None:
        """Order one unit until it is accepted or the sale is over; every repeat is the same order."""
        mode = "sync" if customer_id % 10 == 0 else "async"
        while True:
            answer = await self.buy_once(mode, customer_id)
            if answer in {"200", "202"} or (answer == "sold-out" and self.over.is_set()):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(0.1, 0.4)):  # noqa: S311 - spreads the repeats
                    await self.over.wait()

    async def buy_once(self, mode: str, customer_id: int) -> str:
        """Order one unit, and note what is answered."""
        started = time.perf_counter()
        answer, order_id = await self._ask(mode, customer_id)
        self.seconds[answer].append(time.perf_counter() - started)
        self.answers[answer] += 1
        if order_id is not None:
            self.accepted.add(order_id)
        return answer

    async def _ask(self, mode: str, customer_id: int) -> tuple[str, str | None]:
        url = f"{random.choice(self.apis).url}/orders/{mode}"  # noqa: S311 - as a load balancer does
        body = {"customer_id": customer_id, "items": [{"product_id": PRODUCT, "quantity": 1}]}
        try:
            async with self.session.post(url, json=body, headers={"Idempotency-Key": self.key}) as response:
                answer = await response.json(content_type=None)
        except aiohttp.ClientError:
            return "no answer", None
        if response.status in {200, 202}:
            return str(response.status), answer["order_id"]
        return answer["type"].rpartition(":")[2], None


@dataclass(kw_only=True)
class Auditor:
    """Reads the counters all the while, and keeps what must never be seen."""

    counters: Counters
    samples: int = 0
    wrong: list[StockLevel] = field(default_factory=list)

    async def watch(self, over: asyncio.Event) -> None:
        """Read until the sale is over."""
        while not over.is_set():
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await over.wait()

    async def look(self) -> StockLevel:
        """The counters as they are: one more sample."""
        level = await self.counters.get(PRODUCT)
        assert level is not None
        self.samples += 1
        if min(level.available, level.reserved, level.sold) < 0 or level.total != total_of(level):
            self.wrong.append(level)
        return level


def total_of(level: StockLevel) -> int:
    """What the counters add up to."""
    return level.available + level.reserved + level.sold
