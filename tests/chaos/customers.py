"""Customers of a shop in trouble: each wants one order, repeats it as told, and remembers what it was told.

Some have second thoughts, cancel what was accepted, and ask until they are told how that ended.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import aiohttp

from tests.integration.limited_sale import PRODUCT, ApiProcess

_REQUEST_SECONDS = 20.0
_LONGEST_PAUSE_SECONDS = 5.0
_SECOND_THOUGHTS_SECONDS = 2.0


class Told(StrEnum):
    """What the last answer says of an order."""

    ACCEPTED = "accepted"
    NOT_ACCEPTED = "not accepted"
    SOLD_OUT = "sold out"
    UNKNOWN = "unknown"


@dataclass(eq=False, kw_only=True)
class Customer:
    """One customer with one order.

    Attributes:
        key: The one it chose, or the one that it was told to come back with.
        cancels: Whether it cancels what was accepted.
        ended: How its order has ended, if it was told so when it cancelled.
    """

    number: int
    mode: str = "async"
    key: str | None = None
    cancels: bool = False
    order_id: str | None = None
    told: Told = Told.UNKNOWN
    ended: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Answer:
    status: int
    body: dict[str, str]
    retry_after: float

    @property
    def reason(self) -> str:
        return str(self.body.get("type", "")).rpartition(":")[2]


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
        self,
        count: int,
        *,
        first: int,
        rate: float,
        sync_share: float = 0.0,
        cancel_share: float = 0.0,
        until: asyncio.Future[None],
    ) -> list[Customer]:
        """At least `count` customers, numbered from `first` on, and more `until` something is over.

        Returns when all have been told or have lost patience.
        """
        customers: list[Customer] = []
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            while len(customers) < count or not until.done():
                await asyncio.sleep(began + len(customers) / rate - asyncio.get_running_loop().time())
                customers.append(self._customer(first + len(customers), sync_share, cancel_share))
                group.create_task(self._buy(customers[-1]))
        return customers

    def _customer(self, number: int, sync_share: float, cancel_share: float) -> Customer:
        mode = "sync" if self.rng.random() < sync_share else "async"
        cancels = self.rng.random() < cancel_share
        return Customer(number=number, mode=mode, key=None if number % 2 else f"basket-{number}", cancels=cancels)

    async def _buy(self, customer: Customer) -> None:
        await self._insist(self._order, customer)
        if customer.cancels and customer.order_id is not None:
            await asyncio.sleep(self.rng.uniform(0, _SECOND_THOUGHTS_SECONDS))
            await self._insist(self._cancel, customer)

    async def _insist(self, ask: Callable[[Customer], Awaitable[float | None]], customer: Customer) -> None:
        """Ask until there is no next time; an answer is how long to wait before it."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.patience_seconds
        pause = await ask(customer)
        while pause is not None and loop.time() < until:
            # Sooner than told, they would keep a shop down that is short of breath.
            await asyncio.sleep(min(pause, _LONGEST_PAUSE_SECONDS) * self.rng.uniform(0.8, 1.2))
            pause = await ask(customer)

    async def _order(self, customer: Customer) -> float | None:
        order = {"customer_id": customer.number, "items": [{"product_id": PRODUCT, "quantity": 1}]}
        headers = {} if customer.key is None else {"Idempotency-Key": customer.key}
        try:
            answer = await self._answer("POST", f"orders/{customer.mode}", json=order, headers=headers)
        except aiohttp.ClientConnectorError:
            return 0.2  # nothing has left this side
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            customer.told = Told.UNKNOWN
            return 0.2 if customer.key is not None else None
        return self._hear(customer, answer)

    async def _cancel(self, customer: Customer) -> float | None:
        try:
            answer = await self._answer("DELETE", f"orders/{customer.order_id}")
        except (aiohttp.ClientError, TimeoutError, ConnectionError):
            return 0.2
        if answer.status in {202, 503} or answer.reason == "payment-in-progress":
            return answer.retry_after
        if answer.status == 200:
            customer.ended = answer.body["status"]
        elif answer.status != 409:
            self._note_bad(answer)
        return None

    async def _answer(self, method: str, path: str, **arguments: Any) -> _Answer:  # noqa: ANN401 - those of aiohttp
        url = f"{self.rng.choice(self.apis).url}/{path}"
        timeout = aiohttp.ClientTimeout(total=_REQUEST_SECONDS)
        async with self.session.request(method, url, timeout=timeout, **arguments) as answer:
            body = await answer.json(content_type=None)
        return _Answer(status=answer.status, body=body, retry_after=float(answer.headers.get("Retry-After", 1)))

    def _hear(self, customer: Customer, answer: _Answer) -> float | None:
        if answer.status in {200, 202}:
            customer.told, customer.order_id = Told.ACCEPTED, answer.body["order_id"]
        elif answer.status == 503:
            customer.key = answer.body.get("idempotency_key", customer.key)
            customer.told = Told.NOT_ACCEPTED if customer.key is None else Told.UNKNOWN
            return answer.retry_after
        elif (answer.status, answer.reason) == (409, "sold-out"):
            customer.told = Told.SOLD_OUT
        else:
            self._note_bad(answer)
        return None

    def _note_bad(self, answer: _Answer) -> None:
        self.bad_answers[f"{answer.status} {answer.reason}"] += 1
