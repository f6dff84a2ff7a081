"""Orders that something is wrong with, among good ones, and how long the good ones take."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from flashbus.testing import loop_time
from flashmsg import Order, Reservation
from flashpay import ChargeRequest, Claim, LedgerUnavailableError
from flashpay.testing import Checkpoint, MemoryLedger, Reply, no_checkpoint
from order_processor.testing.harness import ProcessorHarness

BAD = 666
"""The customer whose orders are bad."""
KINDS = ("fails", "hangs", "slow", "refused", "ledger item")
HOUR = 3600.0
PAYMENT = timedelta(seconds=3)


class ContendedLedger(MemoryLedger):
    """Some of its items always have others at them.

    Attributes:
        contended: Their orders' ids.
    """

    def __init__(self, processor: ProcessorHarness, *, checkpoint: Checkpoint = no_checkpoint) -> None:
        """Take the processor whose ledger it is."""
        super().__init__(clock=processor.now, checkpoint=checkpoint)
        self.contended: set[str] = set()

    async def claim(
        self,
        order: Order,
        *,
        owner: str,
        lease: timedelta,
        reopen: bool = False,
        reservation: Reservation | None = None,
    ) -> Claim:
        """See `Ledger.claim`."""
        if order.order_id in self.contended:
            raise LedgerUnavailableError("others are at it", reason="contention")
        return await super().claim(order, owner=owner, lease=lease, reopen=reopen, reservation=reservation)


async def place_bad(processor: ProcessorHarness, kind: str, count: int = 1) -> list[Order]:
    """Put bad orders of a kind on the queue."""
    match kind:
        case "fails":
            processor.gateway.for_customers[BAD] = Reply.FAIL
        case "fails late":
            processor.gateway.for_customers[BAD] = Reply.FAIL
            processor.gateway.latencies[BAD] = timedelta(seconds=30)
        case "hangs":
            processor.gateway.for_customers[BAD] = Reply.HANG
        case "slow":
            processor.gateway.latencies[BAD] = timedelta(seconds=30)
    orders = await processor.place(count, customer_id=BAD)
    if kind == "ledger item":
        assert isinstance(processor.ledger, ContendedLedger)  # noqa: S101 - `harness_of` made it
        processor.ledger.contended.update(order.order_id for order in orders)
    if kind == "refused":
        for order in orders:  # the key was used for another content
            request = order.model_copy(update={"customer_id": BAD + 1})
            await processor.gateway.charge(_charge(request), timeout=timedelta(seconds=60))
    return orders


def _charge(order: Order) -> ChargeRequest:
    return ChargeRequest(
        order_id=order.order_id, amount_minor=order.total_minor, currency="USD", customer_id=order.customer_id
    )


def harness_of(*, workers: int, **variables: object) -> ProcessorHarness:
    """A processor whose provider takes `PAYMENT`, and on whose ledger items may be contended."""
    processor = ProcessorHarness(workers=workers, **variables)
    processor.gateway.latency = PAYMENT
    processor.ledger = ContendedLedger(processor)
    return processor


async def seconds_to_complete(processor: ProcessorHarness, orders: Sequence[Order]) -> float:
    """Wait for all of them, ten hours at most."""
    started = loop_time()
    while not processor.all_are(orders):
        assert loop_time() - started < 10 * HOUR, "the shop stands still"  # noqa: S101 - a test
        await asyncio.sleep(1)
    return loop_time() - started


def waits(processor: ProcessorHarness, orders: Sequence[Order]) -> list[float]:
    """How long each order took, placed to completed."""
    assert processor.all_are(orders)  # noqa: S101 - likewise
    entries = [processor.ledger.entries[order.order_id] for order in orders]
    return [(entry.completed_at - entry.created_at).total_seconds() for entry in entries if entry.completed_at]
