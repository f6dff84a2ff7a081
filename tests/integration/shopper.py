"""A shopper and an auditor, as the integration tests need them: over HTTP and from the ledgers alone."""

import asyncio
import collections
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from local.aws import aws_client
from local.shop import RunningShop
from local.waiting import wait_until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
TERMINAL = ("completed", "declined", "sold_out", "failed", "cancelled", "refunded")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


class Shopper:
    """Orders from one shop."""

    def __init__(self, *, shop: RunningShop, session: aiohttp.ClientSession) -> None:
        self._shop = shop
        self._session = session

    async def order(
        self,
        mode: str = "async",
        *,
        customer_id: int = 1,
        key: str | None = None,
        quantity: int = 1,
        traceparent: str | None = None,
    ) -> Reply:
        """POST one order of a desk lamp."""
        given = {"Idempotency-Key": key, "traceparent": traceparent}
        headers = {name: value for name, value in given.items() if value is not None}
        order = {"customer_id": customer_id, "items": [{"product_id": "desk-lamp", "quantity": quantity}]}
        async with self._session.post(f"{self._shop.api_url}/orders/{mode}", json=order, headers=headers) as answer:
            return Reply(status=answer.status, headers=dict(answer.headers), body=await answer.json(content_type=None))

    async def orders(self, count: int, mode: str = "async") -> list[str]:
        """POST `count` orders at once; every one must be taken. Returns the order ids."""
        replies = await asyncio.gather(*(self.order(mode, customer_id=n + 1) for n in range(count)))
        assert {reply.status for reply in replies} <= {200, 202}
        return [reply.body["order_id"] for reply in replies]

    async def status(self, order_id: str) -> dict[str, Any]:
        """GET one order."""
        async with self._session.get(f"{self._shop.api_url}/orders/{order_id}") as answer:
            body: dict[str, Any] = await answer.json()
            return body

    async def cancel(self, order_id: str) -> Reply:
        """DELETE one order."""
        async with self._session.delete(f"{self._shop.api_url}/orders/{order_id}") as answer:
            return Reply(status=answer.status, headers=dict(answer.headers), body=await answer.json(content_type=None))

    async def settled(self, order_ids: Iterable[str], *, seconds: float = 40) -> collections.Counter[str]:
        """Wait until every order is terminal, as the ledger tells; returns how many ended how."""
        wanted = set(order_ids)

        async def done() -> bool:
            entries = await ledger_statuses(self._shop)
            return all(entries.get(order_id) in TERMINAL for order_id in wanted)

        await wait_until(done, seconds=seconds, every=0.2)
        entries = await ledger_statuses(self._shop)
        return collections.Counter(entries[order_id] for order_id in wanted)

    async def charges(self) -> collections.Counter[str]:
        """The gateway's own count of successful charges per order."""
        return await self._answers("succeeded")

    async def refunds(self) -> collections.Counter[str]:
        """The gateway's own count of refunds per order."""
        return await self._answers("refunded")

    async def _answers(self, status: str) -> collections.Counter[str]:
        rows = await self.charge_rows()
        return collections.Counter(charge["order_id"] for charge in rows if charge["status"] == status)

    async def charge_rows(self) -> list[dict[str, Any]]:
        """Every definite answer in the gateway's charge store, oldest first."""
        rows: list[dict[str, Any]] = []
        after = 0
        while True:
            url = f"{self._shop.gateway_url}/admin/charges?after={after}&limit=1000"
            async with self._session.get(url) as answer:
                page = await answer.json()
            rows += page["charges"]
            if page["next"] is None:
                return rows
            after = page["next"]

    async def fetch(self, url: str, *, accept: str = "*/*") -> tuple[str, str]:
        """GET a page of one of the services; its media type and its text."""
        async with self._session.get(url, headers={"Accept": accept}) as answer:
            assert answer.status == 200, url
            return answer.headers["Content-Type"], await answer.text()

    async def change_gateway(self, **behaviour: float | list[int]) -> None:
        """Change how the payment provider behaves."""
        async with self._session.patch(f"{self._shop.gateway_url}/admin/behaviour", json=behaviour) as answer:
            assert answer.status == 200, await answer.text()


async def ledger_statuses(shop: RunningShop) -> dict[str, str]:
    """Status of every order that the ledger knows, by order id."""
    statuses: dict[str, str] = {}
    async with aws_client("dynamodb", shop.emulator.environment) as dynamodb:
        start: dict[str, Any] = {}
        while True:
            page = await dynamodb.scan(TableName=shop.outputs["OrdersTableName"], ConsistentRead=True, **start)
            statuses |= {item["order_id"]["S"]: item["status"]["S"] for item in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return statuses
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


async def queue_depth(shop: RunningShop, output: str) -> int:
    """Visible plus in-flight messages of the queue behind a stack output."""
    async with aws_client("sqs", shop.emulator.environment) as sqs:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await sqs.get_queue_attributes(QueueUrl=shop.outputs[output], AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)
