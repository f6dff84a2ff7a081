"""A refund that is too slow, or that another one has overtaken."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import (
    Canceller,
    ConflictingChargeError,
    LedgerEntry,
    Refunded,
    RefundRequest,
    Reservations,
    Settler,
    UnfinishedError,
)
from flashpay.testing import (
    FakeGateway,
    FakeRefunds,
    ManualClock,
    MemoryLedger,
    cancel,
    refunder_of,
    sample_order,
)

ORDER = sample_order()


async def test_a_refund_that_takes_too_long_is_left_to_a_repeat(
    memory: MemoryLedger, gateway: FakeGateway, settler: Settler, clock: ManualClock
) -> None:
    async def hang(place: str) -> None:
        if place == "refund.called" and not slow:
            slow.append(place)
            await asyncio.Event().wait()

    slow: list[str] = []
    refunder = refunder_of(ledger=memory, refunds=FakeRefunds(gateway=gateway, checkpoint=hang), clock=clock)
    nothing_limited = Reservations(stock=None, limits=None)
    hasty = Canceller(
        ledger=memory, refunder=refunder, reservations=nothing_limited, timeout=timedelta(milliseconds=20)
    )
    await settler.settle(ORDER)
    late = await cancel(hasty, ORDER.order_id)
    assert late.entry.status is OrderStatus.REFUNDING
    assert isinstance(late.trouble, UnfinishedError)
    assert late.trouble.retryable
    assert (late.trouble.reason, str(late.trouble)) == ("timeout", "not finished within 0.02 seconds")
    assert (await cancel(hasty, ORDER.order_id)).entry.status is OrderStatus.REFUNDED


async def test_another_refund_than_the_recorded_one_is_a_conflict(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    class Overtaken(FakeRefunds):
        """While it pays back, somebody else records another refund."""

        async def refund(self, request: RefundRequest, *, timeout: timedelta) -> Refunded:  # noqa: ASYNC109 - the protocol's
            await memory.refunded(request.order_id, Refunded(refund_id="re_other"))
            return await super().refund(request, timeout=timeout)

    await settler.settle(ORDER)
    overtaken = refunder_of(ledger=memory, refunds=Overtaken(gateway=gateway), clock=clock)
    entry = await memory.cancel(ORDER.order_id)
    assert isinstance(entry, LedgerEntry)
    with pytest.raises(ConflictingChargeError):
        await overtaken.finish(entry)
