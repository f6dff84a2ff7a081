"""The subscriber beside a whole shop: it hears how every order ended."""

import asyncio
import itertools
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from examples.audit_consumer import SalesBook
from examples.repeating_client import place
from flashmsg import EndedOrder, OrderOutcome, OrderStatus, PricedLine, encode
from local.aws import aws_client
from local.emulator import RunningEmulator
from local.shop import RunningShop, ShopPlan, open_shop
from local.waiting import wait_until

LAMP_MINOR = 3995
PENS = EndedOrder(
    order_id=f"ord_{'a' * 24}",
    customer_id=9,
    items=(PricedLine(product_id="pen", quantity=3, unit_price_minor=250),),
    currency="EUR",
    total_minor=750,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    status=OrderStatus.COMPLETED,
    ended_at=datetime(2026, 1, 1, 0, 0, 3, tzinfo=UTC),
    attempt=1,
)


@dataclass(frozen=True, kw_only=True)
class Queues:
    """The queue on the shop's topic of outcomes and its dead letters."""

    url: str
    dead_letters_url: str


@asynccontextmanager
async def _subscribed(shop: RunningShop) -> AsyncIterator[Queues]:
    variables = shop.emulator.environment
    async with aws_client("sqs", variables) as sqs, aws_client("sns", variables) as sns:
        dead = (await sqs.create_queue(QueueName=f"{shop.plan.name}-audit-dead"))["QueueUrl"]
        url = (await sqs.create_queue(QueueName=f"{shop.plan.name}-audit"))["QueueUrl"]
        answer = await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        await sns.subscribe(
            TopicArn=shop.outputs["OutcomesTopicArn"],
            Protocol="sqs",
            Endpoint=answer["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        yield Queues(url=url, dead_letters_url=dead)


@asynccontextmanager
async def _auditing(shop: RunningShop, queues: Queues, path: Path) -> AsyncIterator[Process]:
    """The consumer as a process; whatever happens it does not outlive the block."""
    variables = {"QUEUE_URL": queues.url, "DEAD_LETTER_QUEUE_URL": queues.dead_letters_url}
    environment = {**os.environ, **shop.emulator.environment, **variables}
    arguments = ["-m", "examples.audit_consumer", str(path)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, env=environment, stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _send(shop: RunningShop, url: str, *bodies: str) -> None:
    async with aws_client("sqs", shop.emulator.environment) as sqs:
        for body in bodies:
            await sqs.send_message(QueueUrl=url, MessageBody=body)


async def _dead_letter(shop: RunningShop, url: str) -> tuple[str, str]:
    """Body and reason of the one message there."""
    async with aws_client("sqs", shop.emulator.environment) as sqs:
        answer = await sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5, MessageAttributeNames=["All"])
    (message,) = answer["Messages"]
    return message["Body"], message["MessageAttributes"]["dead_letter_reason"]["StringValue"]


async def _order_lamps(shop: RunningShop, count: int) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session:
        lamps = {"customer_id": 1, "items": [{"product_id": "desk-lamp", "quantity": 2}]}
        orders = (place(session, f"{shop.api_url}/orders/async", lamps, key=f"basket-{n}") for n in range(count))
        return await asyncio.gather(*orders)


def _total(revenue: Mapping[str, int]) -> int:
    return sum(revenue.values())


@pytest.mark.embedded_aws
@pytest.mark.timeout(120)
async def test_every_order_that_the_shop_was_paid_for_is_counted_once_by_the_audit(
    embedded_aws: RunningEmulator, tmp_path: Path
) -> None:
    plan = ShopPlan(name="flash-example-audit", payment_seconds=0.05, outcomes=True)
    path = tmp_path / "audit.sqlite3"
    async with open_shop(plan, emulator=embedded_aws, folder=tmp_path) as shop, _subscribed(shop) as queues:
        twice = encode(OrderOutcome.of(PENS))
        async with _auditing(shop, queues, path) as audit:
            await _send(shop, queues.url, twice, twice, '{"type": "something else"}')
            orders = await _order_lamps(shop, 3)
            expected = {"desk-lamp USD": 3 * 2 * LAMP_MINOR, "pen EUR": 750}

            async def counted() -> bool:
                return path.exists() and _total(SalesBook(path).revenue()) >= _total(expected)

            await wait_until(counted)
            assert await _dead_letter(shop, queues.dead_letters_url) == ('{"type": "something else"}', "malformed")
            audit.send_signal(signal.SIGTERM)
            output, _ = await asyncio.wait_for(audit.communicate(), timeout=30)
    assert audit.returncode == 0
    assert json.loads(output.splitlines()[-1]) == expected
    assert {order["status"] for order in orders} == {"completed"}


def test_the_latest_end_of_an_order_stands_in_whatever_sequence_they_come(tmp_path: Path) -> None:
    later = PENS.ended_at + timedelta(milliseconds=1)
    refunded = PENS.model_copy(update={"status": OrderStatus.REFUNDED, "ended_at": later})
    declined = PENS.model_copy(update={"status": OrderStatus.DECLINED, "order_id": f"ord_{'b' * 24}"})
    for n, sequence in enumerate(itertools.permutations([PENS, refunded, declined])):
        book = SalesBook(tmp_path / f"audit-{n}.sqlite3")
        for outcome in sequence:
            book.enter(outcome)
        assert book.revenue() == {}


@pytest.mark.parametrize("clock_ahead", [timedelta(0), timedelta(minutes=10)])
def test_what_was_paid_back_is_no_revenue_whatever_the_clocks_say(tmp_path: Path, clock_ahead: timedelta) -> None:
    # By the clock of whoever had it paid, the refund came before the payment.
    refunded = PENS.model_copy(update={"status": OrderStatus.REFUNDED, "ended_at": PENS.ended_at - clock_ahead})
    for n, sequence in enumerate(itertools.permutations([PENS, refunded])):
        book = SalesBook(tmp_path / f"audit-{n}.sqlite3")
        for outcome in sequence:
            book.enter(outcome)
        assert book.revenue() == {}


def test_an_order_that_comes_twice_is_entered_once_whoever_enters_it(tmp_path: Path) -> None:
    for _ in range(2):
        SalesBook(tmp_path / "audit.sqlite3").enter(PENS)
    assert SalesBook(tmp_path / "audit.sqlite3").revenue() == {"pen EUR": 750}
