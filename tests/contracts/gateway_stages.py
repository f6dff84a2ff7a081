"""The gateways that the contract is tested on, each with the means to set its behaviour and see its charges."""

from datetime import timedelta
from typing import Any, Protocol

import aiohttp

from flashpay import Approved, Gateway, HttpGateway, SessionExchange
from flashpay.exchanges import Exchange
from flashpay.testing import FakeGateway, Reply
from local.waiting import wait_until


class Stage(Protocol):
    """A gateway whose behaviour a test sets, and the witness of what it charged."""

    @property
    def gateway(self) -> Gateway:
        """The gateway as settle() would use it."""
        ...

    async def behave(self, reply: Reply, *, latency: timedelta = timedelta(0)) -> None:
        """Treat every new charge from now on like this."""
        ...

    async def treat_customer(self, customer_id: int, reply: Reply) -> None:
        """Treat every new charge of one customer like this, FAIL or HANG."""
        ...

    async def slow_down(self, customer_id: int, latency: timedelta) -> None:
        """Let the charges of one customer take so long."""
        ...

    async def forget_keys(self) -> None:
        """Take the keys of all answers for new ones."""
        ...

    async def quiet(self) -> None:
        """Wait until nothing is in flight any more."""
        ...

    async def charges(self, order_id: str) -> list[tuple[str, int]]:
        """The charge id and the amount of every charge that was really made for an order."""
        ...


class FakeStage:
    """The fake, or an adapter with the fake behind it; a charge whose caller left goes on, as at the real one."""

    def __init__(self, *, fake: FakeGateway, adapter: Gateway | None = None) -> None:
        self.gateway = adapter or fake
        self._fake = fake

    async def behave(self, reply: Reply, *, latency: timedelta = timedelta(0)) -> None:
        """See `Stage`."""
        self._fake.default, self._fake.latency = reply, latency

    async def treat_customer(self, customer_id: int, reply: Reply) -> None:
        """See `Stage`."""
        self._fake.for_customers[customer_id] = reply

    async def slow_down(self, customer_id: int, latency: timedelta) -> None:
        """See `Stage`."""
        self._fake.latencies[customer_id] = latency

    async def forget_keys(self) -> None:
        """See `Stage`."""
        self._fake.forget_keys()

    async def quiet(self) -> None:
        """See `Stage`."""

        async def nothing_in_flight() -> bool:
            return not self._fake.at_work

        await wait_until(nothing_in_flight)

    async def charges(self, order_id: str) -> list[tuple[str, int]]:
        """See `Stage`."""
        return [
            (charge.result.charge_id, charge.request.amount_minor)
            for charge in self._fake.charges
            if charge.request.order_id == order_id and isinstance(charge.result, Approved)
        ]


_FAULTS = {Reply.FAIL: "failing_customers", Reply.HANG: "hanging_customers"}


class ProcessStage:
    """The real gateway in a process of its own."""

    def __init__(self, *, session: aiohttp.ClientSession, url: str, exchange: Exchange | None = None) -> None:
        self.gateway = HttpGateway(exchange or SessionExchange(session, base_url=url))
        self._session = session
        self._url = url

    async def behave(self, reply: Reply, *, latency: timedelta = timedelta(0)) -> None:
        """See `Stage`."""
        behaviour = {
            "latency_seconds": latency.total_seconds(),
            "capacity": 0,
            "decline_rate": float(reply is Reply.DECLINE),
            "failure_rate": float(reply is Reply.FAIL),
            "lost_reply_rate": float(reply is Reply.LOSE),
            "hanging_customers": [7, 8] if reply is Reply.HANG else [],
            "failing_customers": [],
            "slow_customers": [],
            "key_seconds": 0.0,
        }
        await self._change(behaviour)

    async def treat_customer(self, customer_id: int, reply: Reply) -> None:
        """See `Stage`."""
        await self._change({_FAULTS[reply]: [customer_id]})

    async def slow_down(self, customer_id: int, latency: timedelta) -> None:
        """See `Stage`."""
        await self._change({"slow_customers": [customer_id], "slow_seconds": latency.total_seconds()})

    async def forget_keys(self) -> None:
        """See `Stage`."""
        await self._change({"key_seconds": 1e-6})

    async def _change(self, behaviour: dict[str, Any]) -> None:
        async with self._session.patch(f"{self._url}/admin/behaviour", json=behaviour) as response:
            response.raise_for_status()

    async def quiet(self) -> None:
        """See `Stage`."""

        async def nothing_in_flight() -> bool:
            summary = await self._get("/admin/summary")
            return bool(summary["in_flight"] == summary["waiting"] == 0)

        await wait_until(nothing_in_flight)

    async def charges(self, order_id: str) -> list[tuple[str, int]]:
        """See `Stage`."""
        return await self._made(order_id, "succeeded")

    async def refunds(self, order_id: str) -> list[tuple[str, int]]:
        """The refund id and the amount of every refund that was really made for an order."""
        return await self._made(order_id, "refunded")

    async def _made(self, order_id: str, status: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        after: int | None = 0
        while after is not None:
            page = await self._get(f"/admin/charges?after={after}&limit=1000")
            after = page["next"]
            found += [
                (charge["charge_id"], charge["amount_minor"])
                for charge in page["charges"]
                if charge["order_id"] == order_id and charge["status"] == status
            ]
        return found

    async def _get(self, path: str) -> dict[str, Any]:
        async with self._session.get(self._url + path) as response:
            response.raise_for_status()
            return dict(await response.json())
