"""Customers of a shop in trouble: each wants one order, repeats it as told, and remembers what it was told."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import aiohttp

from tests.integration.limited_sale import PRODUCT, ApiProcess

_REQUEST_SECONDS = 20.0
_LONGEST_PAUSE_SECONDS = 1.0


class Told(StrEnum):
    """What the last answer says of an order."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    SOLD_OUT = "sold out"
    UNKNOWN = "unknown"


@dataclass(eq=False, kw_only=True)
class Customer:
    """One customer with one order; `key` is the one it chose, or the one that it was told to come back with."""

    number: int
    mode: str
    key: str | None
    order_id: str | None = None
    told: Told = Told.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Customers:
    """Everybody who comes to a shop, an open loop of `rate` a second.

    Attributes:
        apis: Where they order: any of those in the list, which a load balancer keeps.
        patience_seconds: How long each repeats, from its first request on.
        bad_answers: Answers that no customer should get, by what they were.
    """

    apis: Sequence[ApiProcess]
    session: aiohttp.ClientSession
    rng: random.Random
    patience_seconds: float = 90.0
    bad_answers: Counter[str] = field(default_factory=Counter)

    async def come(
        self, count: int, *, first: int, rate: float, sync_share: float, until: asyncio.Future[None]
    ) -> list[Customer]:
        """At least `count` customers, numbered from `first` on, and more `until` something is over.

        Returns when all have been told or have lost patience.
        """
        customers: list[Customer] = []
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            while len(customers) < count or not until.done():
                await asyncio.sleep(began + len(customers) / rate - asyncio.get_running_loop().time())
                customers.append(self._customer(first + len(customers), sync_share))
                group.create_task(self._order(customers[-1]))
        return customers

    def _customer(self, number: int, sync_share: float) -> Customer:
        mode = "sync" if self.rng.random() < sync_share else "async"
        return Customer(number=number, mode=mode, key=None if number % 2 else f"basket-{number}")

    async def _order(self, customer: Customer) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience_seconds
        pause = await self._ask(customer)
        while pause is not None and loop.time() < until:
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS) * self.rng.uniform(0.2, 1))
            pause = await self._ask(customer)

    async def _ask(self, customer: Customer) -> float | None:
        """Ask once; how long to wait before the next time, None if there is none."""
        url = f"{self.rng.choice(self.apis).url}/orders/{customer.mode}"
        order = {"customer_id": customer.number, "items": [{"product_id": PRODUCT, "quantity": 1}]}
        headers = {} if customer.key is None else {"Idempotency-Key": customer.key}
        timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
        try:
            async with self.session.post(url, json=order, headers=headers, timeout=timeout) as answer:
                body = await answer.json(content_type=None)
        except aiohttp.ClientConnectorError:
            return 0.2  # nothing has left this side
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            customer.told = Told.UNKNOWN
            return 0.2 if customer.key is not None else None
        return self._hear(customer, answer.status, body, float(answer.headers.get("Retry-After", 1)))

    def _hear(self, customer: Customer, status: int, body: dict[str, str], retry_after: float) -> float | None:
        reason = str(body.get("type", "")).rpartition(":")[2]
        if status in {200, 202}:
            customer.told, customer.order_id = Told.ACCEPTED, body["order_id"]
        elif status == 503:
            customer.key = body.get("idempotency_key", customer.key)
            customer.told = Told.NOT_ACCEPTED if customer.key is None else Told.UNKNOWN
            return retry_after
        elif (status, reason) == (409, "sold-out"):
            customer.told = Told.SOLD_OUT
        else:
            self.bad_answers[f"{status} {reason}"] += 1
        return None
