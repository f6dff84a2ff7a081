"""What the running parts say about themselves: the queues, the tables of orders and stock, the provider, the API."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from flashstock.dynamo import dynamo_stock
from load.records import Charge, ColdStart, Invocation, Order, StockSample
from local.aws import aws_client
from local.shop import RunningShop

CHARGES_PER_PAGE = 1000
MILLISECONDS = 1000.0
DEAD_LETTER_OUTPUTS = ("DeadLetterQueueUrl", "SubscriptionDeadLetterQueueUrl", "FunctionFailureQueueUrl")


class ProbeError(Exception):
    """A part of the running shop did not answer as documented."""


class Probes:
    """Asks the parts of one running shop. Open it with probes()."""

    def __init__(self, *, shop: RunningShop, http: aiohttp.ClientSession, sqs: Any, dynamodb: Any, logs: Any) -> None:  # noqa: ANN401  # untyped clients
        """Take the shop and open clients."""
        self._shop = shop
        self._http = http
        self._sqs = sqs
        self._dynamodb = dynamodb
        self._logs = logs

    @property
    def has_stock(self) -> bool:
        """Whether some products are limited."""
        return any(product.stock is not None for product in self._shop.products)

    async def depth(self, url: str | None = None) -> tuple[int, int]:
        """Messages visible and in flight in the orders' queue, or in the queue `url`."""
        answer = await self._sqs.get_queue_attributes(
            QueueUrl=url or self._shop.outputs["QueueUrl"],
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )
        counts = {name: int(value) for name, value in answer["Attributes"].items()}
        visible = counts.get("ApproximateNumberOfMessages", 0) + counts.get("ApproximateNumberOfMessagesDelayed", 0)
        return visible, counts.get("ApproximateNumberOfMessagesNotVisible", 0)

    async def dead_letters(self) -> int:
        """Messages in all dead-letter queues of the stack."""
        urls = [self._shop.outputs[name] for name in DEAD_LETTER_OUTPUTS if self._shop.outputs.get(name)]
        return sum([sum(await self.depth(url)) for url in urls])

    async def payment_summary(self) -> Mapping[str, int]:
        """The payment provider's own counts."""
        return await self._json(f"{self._shop.gateway_url}/admin/summary")

    async def charges(self) -> list[Charge]:
        """Every answer the payment provider ever gave."""
        found: list[Charge] = []
        after: int | None = 0
        while after is not None:
            page = await self._json(f"{self._shop.gateway_url}/admin/charges?after={after}&limit={CHARGES_PER_PAGE}")
            found += [_charge(row) for row in page["charges"]]
            after = page["next"] if page["charges"] else None
        return found

    async def orders(self) -> list[Order]:
        """The whole orders table, read consistently."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._shop.outputs["OrdersTableName"], ConsistentRead=True
        )
        return [_order(item) async for page in pages for item in page["Items"]]

    async def stock(self, at: float) -> list[StockSample]:
        """The counters of every limited product, read consistently; they hold at the moment `at`."""
        counters = dynamo_stock(client=self._dynamodb, table=self._shop.outputs["StockTableName"]).counters
        return [
            StockSample(
                at=at,
                product=level.product_id,
                total=level.total,
                available=level.available,
                reserved=level.reserved,
                sold=level.sold,
            )
            for level in await counters.all()
        ]

    async def cold_starts(self) -> list[ColdStart]:
        """Every start of a function environment, from the function's own log."""
        function = self._shop.outputs.get("FunctionName")
        if not function:
            return []
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{function}", filterPattern='"cold_start"'
        )
        return [start async for page in pages for event in page["events"] if (start := _cold_start(event))]

    async def invocations(self) -> list[Invocation]:
        """Every invocation, from the lines that the platform writes about each."""
        function = self._shop.outputs.get("FunctionName")
        if not function:
            return []
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{function}", filterPattern='"REPORT"'
        )
        return [one async for page in pages for event in page["events"] if (one := _invocation(event))]

    async def slots_busy(self, urls: Sequence[str]) -> float:
        """Payments in progress in the processors that answer at `urls`."""
        busy = 0.0
        for url in urls:
            try:
                busy += _sum(await self._text(f"{url}/metrics"), "processor_slots_busy")
            except aiohttp.ClientError:
                continue  # it has just been stopped
        return busy

    async def api_counts(self) -> tuple[int, int]:
        """Orders the API accepted and refused, by its own counters."""
        text = await self._text(f"{self._shop.api_operations_url}/metrics")
        return int(_sum(text, "orders_accepted_total")), int(_sum(text, "orders_rejected_total"))

    async def _text(self, url: str) -> str:
        async with self._http.get(url) as response:
            if response.status != 200:  # noqa: PLR2004  # HTTP OK
                raise ProbeError(f"{url}: {response.status}")
            return await response.text()

    async def _json(self, url: str) -> dict[str, Any]:
        async with self._http.get(url) as response:
            if response.status != 200:  # noqa: PLR2004  # HTTP OK
                raise ProbeError(f"{url}: {response.status}")
            body: dict[str, Any] = await response.json()
            return body


@asynccontextmanager
async def probes(shop: RunningShop) -> AsyncIterator[Probes]:
    """Open the clients for the length of the block."""
    async with AsyncExitStack() as exits:
        http = await exits.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)))
        sqs = await exits.enter_async_context(aws_client("sqs", shop.emulator.environment))
        dynamodb = await exits.enter_async_context(aws_client("dynamodb", shop.emulator.environment))
        logs = await exits.enter_async_context(aws_client("logs", shop.emulator.environment))
        yield Probes(shop=shop, http=http, sqs=sqs, dynamodb=dynamodb, logs=logs)


def _sum(exposition: str, sample_name: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == sample_name
    )


def _order(item: Mapping[str, Mapping[str, str]]) -> Order:
    def number(name: str) -> float:
        return float(item.get(name, {}).get("N", 0))

    def text(name: str) -> str:
        return item.get(name, {}).get("S", "")

    return Order(
        order_id=text("order_id"),
        status=text("status"),
        created_at=number("created_at") / MILLISECONDS,
        completed_at=number("completed_at") / MILLISECONDS,
        charge_id=text("charge_id"),
        total_minor=int(number("total_minor")),
        attempt=int(number("attempt")),
        reason=text("reason"),
    )


def _cold_start(event: Mapping[str, Any]) -> ColdStart | None:
    try:
        line = json.loads(event["message"])
    except ValueError:
        return None  # the platform's own lines are no JSON
    if not isinstance(line, dict) or line.get("event") != "cold_start":
        return None
    return ColdStart(at=event["timestamp"] / MILLISECONDS, init_seconds=float(line["init_seconds"]))


REPORT = re.compile(
    r"^REPORT .*?(?<!Billed )Duration: (?P<duration>[\d.]+) ms.*Billed Duration: (?P<billed>[\d.]+) ms"
    r".*Max Memory Used: (?P<memory>\d+) MB",
    re.DOTALL,
)


def _invocation(event: Mapping[str, Any]) -> Invocation | None:
    found = REPORT.match(event["message"])
    if found is None:
        return None
    return Invocation(
        at=event["timestamp"] / MILLISECONDS,
        billed_seconds=float(found["billed"]) / MILLISECONDS,
        memory_mb=int(found["memory"]),
        duration_seconds=float(found["duration"]) / MILLISECONDS,
    )


def _charge(row: Mapping[str, Any]) -> Charge:
    return Charge(
        order_id=row["order_id"],
        charge_id=row["charge_id"] or "",
        status=row["status"],
        started_at=float(row["started_at"]),
        finished_at=float(row["finished_at"]),
        attempts=int(row["attempts"]),
        amount_minor=int(row["amount_minor"]),
    )
