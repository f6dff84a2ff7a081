"""Orders that somebody dead has left behind: accepted, and known to the records alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from flashbus.dead_letters import dead_letter_attributes
from flashbus.sqs import SqsQueue
from flashmsg import Order, OrderPlaced, encode
from flashpay import (
    Approved,
    ChargeRequest,
    Claimed,
    DynamoLedger,
    HttpGateway,
    LedgerEntry,
    Retention,
    SessionExchange,
    refund_request,
)
from flashpay.testing import sample_order
from local.aws import aws_client
from tests.chaos.customers import Customer, Told
from tests.chaos.stage import Stage

_PATIENCE = timedelta(seconds=10)
_AT_ONCE = 20
# By a clock that is ahead: the older an order, the longer it rests when a reconciler has touched it.
_AHEAD = timedelta(minutes=10)

Leave: TypeAlias = Callable[[Stage, int], Awaitable[None]]
"""Leaves so many orders behind; their customers are added to those of the case."""


@dataclass(frozen=True, kw_only=True)
class _Records:
    ledger: DynamoLedger
    gateway: HttpGateway
    dead_letters: SqsQueue

    async def claim(self, order: Order) -> Claimed:
        claim = await self.ledger.claim(order, owner="dead", lease=timedelta(milliseconds=1))
        assert isinstance(claim, Claimed)
        return claim

    async def charge(self, order: Order) -> Approved:
        request = ChargeRequest(
            order_id=order.order_id,
            amount_minor=order.total_minor,
            currency=order.currency,
            customer_id=order.customer_id,
        )
        result = await self.gateway.charge(request, timeout=_PATIENCE)
        assert isinstance(result, Approved)
        return result


def _is_further(order: Order) -> bool:
    # Not by the last bit: the ledger's index is in parts by the end of the id, and each shall have some of both.
    return order.customer_id // 2 % 2 == 0


async def in_payment(stage: Stage, count: int, *, ahead: timedelta = _AHEAD) -> None:
    """An API has claimed them and charged half of them; no queue knows of them."""

    async def leave(records: _Records, order: Order) -> None:
        await records.claim(order)
        if _is_further(order):
            await records.charge(order)

    await _each(stage, count, leave, ahead=ahead)


async def too_old(stage: Stage, count: int) -> None:
    """The same, made long enough ago for a gateway that remembers nothing."""
    await in_payment(stage, count, ahead=timedelta(0))


async def in_refund(stage: Stage, count: int) -> None:
    """An API has decided to pay them back, and has had the gateway do so with half of them."""

    async def leave(records: _Records, order: Order) -> None:
        await records.ledger.record(await records.claim(order), await records.charge(order))
        entry = await records.ledger.cancel(order.order_id)
        assert isinstance(entry, LedgerEntry)
        if _is_further(order):
            await records.gateway.refund(refund_request(entry), timeout=_PATIENCE)

    await _each(stage, count, leave)


async def failed(stage: Stage, count: int) -> None:
    """A processor has given them up, each with its dead letter."""

    async def leave(records: _Records, order: Order) -> None:
        claim = await records.claim(order)
        await records.ledger.fail(order, reason="exhausted", attempt=claim.attempt)
        attributes = dead_letter_attributes({}, reason="exhausted", detail="tried often enough", receives=claim.attempt)
        await records.dead_letters.send(encode(OrderPlaced.of(order)), attributes=attributes)

    await _each(stage, count, leave)


async def _each(
    stage: Stage,
    count: int,
    leave: Callable[[_Records, Order], Awaitable[None]],
    *,
    ahead: timedelta = _AHEAD,
) -> None:
    enough = asyncio.Semaphore(_AT_ONCE)
    first = stage.customers.start + 500_000 + len(stage.left_behind)

    async def one(records: _Records, number: int) -> None:
        order = sample_order(f"{number:012}", customer_id=number, created_at=datetime.now(UTC) + ahead)
        async with enough:
            await leave(records, order)
        stage.left_behind.append(Customer(number=number, order_id=order.order_id, told=Told.ACCEPTED))

    async with _open_records(stage) as records:
        await asyncio.gather(*(one(records, number) for number in range(first, first + count)))


@asynccontextmanager
async def _open_records(stage: Stage) -> AsyncIterator[_Records]:
    variables, outputs = stage.shop.emulator.environment, stage.shop.outputs
    async with aws_client("dynamodb", variables) as dynamodb, aws_client("sqs", variables) as sqs:
        yield _Records(
            ledger=DynamoLedger(client=dynamodb, table=outputs["OrdersTableName"], retention=Retention(announced=True)),
            gateway=HttpGateway(SessionExchange(stage.session, base_url=stage.shop.gateway_url)),
            dead_letters=SqsQueue(url=outputs["DeadLetterQueueUrl"], client=sqs),
        )
