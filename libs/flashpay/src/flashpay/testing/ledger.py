"""A ledger in memory, held to the same contract tests as the DynamoDB one."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from flashmsg import Order, OrderStatus, Reservation
from flashpay.claims import (
    Acceptance,
    Accepted,
    Claim,
    Claimed,
    claimed,
    evaluate_acceptance,
    evaluate_cancellation,
    evaluate_claim,
    may_fail,
)
from flashpay.entries import LedgerEntry, Tombstone, whole_ms
from flashpay.errors import LedgerUnavailableError
from flashpay.gateway import Approved, ChargeResult, Refunded
from flashpay.ledger import Clock, RecordedOrder, recorded_before, refunded_before, utc_now
from flashpay.retention import KEPT, Retention
from flashpay.testing.schedule import Checkpoint, no_checkpoint


class MemoryLedger:
    """A `Ledger` for tests.

    Attributes:
        entries: What is written, by order id.
        tombstones: The orders that were called off before they were met.
        unavailable: While True every call raises `LedgerUnavailableError` and writes nothing.
        calls: The names of the methods called, in sequence.
    """

    def __init__(
        self, *, retention: Retention = KEPT, clock: Clock = utc_now, checkpoint: Checkpoint = no_checkpoint
    ) -> None:
        self.entries: dict[str, LedgerEntry] = {}
        self.tombstones: dict[str, Tombstone] = {}
        self.unavailable = False
        self.calls: list[str] = []
        self._retention = retention
        self._clock = clock
        self._checkpoint = checkpoint

    async def accept(self, order: Order, *, reservation: Reservation | None = None) -> Acceptance:
        """See `Ledger.accept`."""
        owner = f"accept/{len(self.calls)}"
        await self._call("accept")
        first = LedgerEntry.accepted_first(order, owner=owner, now=self._now(), reservation=reservation)
        answer: Acceptance
        if self._insert(first):
            answer = Accepted(entry=first, first=True)
        else:
            answer = evaluate_acceptance(self.entries[order.order_id], order, owner=owner)
        await self._checkpoint("accept.done")
        return answer

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
        now = self._now()
        lease_until = whole_ms(now + lease)  # from before the request leaves, as DynamoLedger counts it
        await self._call("claim")
        first = LedgerEntry.claimed_first(order, owner=owner, lease_until=lease_until, now=now, reservation=reservation)
        answer: Claim | None
        if self._insert(first):
            answer = claimed(first, order=order)
        else:
            entry = self.entries[order.order_id]
            answer = evaluate_claim(entry, order, owner=owner, now=now, reopen=reopen)
            if answer is None:
                taken = entry.taken_over(owner=owner, lease_until=lease_until, now=now)
                self.entries[order.order_id], answer = taken, claimed(taken)
        await self._checkpoint("claim.done")
        return answer

    async def record(self, claimed: Claimed, result: ChargeResult) -> RecordedOrder:
        """See `Ledger.record`."""
        await self._call("record")
        order_id = claimed.order.order_id
        entry = self.entries.get(order_id)
        if entry is None:
            raise LedgerUnavailableError(f"{order_id} is not in the ledger", reason="entry_missing")
        if entry.status not in {OrderStatus.PROCESSING, OrderStatus.FAILED}:
            recorded = recorded_before(entry, claimed, result)
        else:
            self._end(_settled(entry, result, owner=claimed.owner))
            recorded = RecordedOrder(entry=self.entries[order_id], first=True)
        await self._checkpoint("record.done")
        return recorded

    async def release(self, claimed: Claimed) -> None:
        """See `Ledger.release`."""
        await self._call("release")
        entry = self.entries.get(claimed.order.order_id)
        if entry is not None and (entry.owner, entry.attempt, entry.status) == (
            claimed.owner,
            claimed.attempt,
            OrderStatus.PROCESSING,
        ):
            now = self._now()
            self.entries[entry.order_id] = replace(entry, lease_until=now, updated_at=now)
        await self._checkpoint("release.done")

    async def fail(
        self, order: Order, *, reason: str, attempt: int | None = None, reservation: Reservation | None = None
    ) -> LedgerEntry:
        """See `Ledger.fail`."""
        await self._call("fail")
        now = self._now()
        unclaimed = LedgerEntry.failed_unclaimed(order, reason=reason, now=now, reservation=reservation)
        self._insert(self._retention.ended(unclaimed, now=now))
        entry = self.entries[order.order_id]
        if may_fail(entry, order, now=now, attempt=attempt):
            self._end(replace(entry, status=OrderStatus.FAILED, reason=reason))
        await self._checkpoint("fail.done")
        return self.entries[order.order_id]

    async def sell_out(self, claimed: Claimed) -> LedgerEntry:
        """See `Ledger.sell_out`."""
        await self._call("sell_out")
        entry = self.entries.get(claimed.order.order_id)
        if entry is None:
            raise LedgerUnavailableError(f"{claimed.order.order_id} is not in the ledger", reason="entry_missing")
        if (entry.status, entry.attempt) == (OrderStatus.PROCESSING, claimed.attempt):
            self._end(replace(entry, status=OrderStatus.SOLD_OUT))
        await self._checkpoint("sell_out.done")
        return self.entries[entry.order_id]

    async def told(self, entry: LedgerEntry) -> None:
        """See `Ledger.told`."""
        await self._call("told")
        known = self.entries.get(entry.order_id)
        if known is not None and (known.status, known.attempt) == (entry.status, entry.attempt):
            self.entries[entry.order_id] = self._retention.told(known, now=self._now())
        await self._checkpoint("told.done")

    async def touch(self, entry: LedgerEntry) -> bool:
        """See `Ledger.touch`."""
        await self._call("touch")
        known = self.entries.get(entry.order_id)
        if known is None or (known.status, known.attempt) != (entry.status, entry.attempt):
            return False
        self.entries[entry.order_id] = replace(known, updated_at=self._now())
        await self._checkpoint("touch.done")
        return True

    async def cancel(self, order_id: str) -> LedgerEntry | Tombstone:
        """See `Ledger.cancel`."""
        now = self._now()
        await self._call("cancel")
        entry = self.entries.get(order_id)
        if entry is None:
            self.tombstones.setdefault(order_id, self._retention.tombstone(order_id, now=now))
        elif (status := evaluate_cancellation(entry)) is not None and status.is_terminal:
            self._end(replace(entry, status=status))
        elif status is not None:
            self.entries[order_id] = replace(
                entry, status=status, updated_at=now, completed_at=None, event_owed=False, expires_at=None
            )
        await self._checkpoint("cancel.done")
        return self.entries.get(order_id) or self.tombstones[order_id]

    async def note_refund(self, order_id: str, refund: Refunded) -> LedgerEntry:
        """See `Ledger.note_refund`."""
        await self._call("note_refund")
        if (entry := self._refunding(order_id, refund)) is not None:
            self.entries[order_id] = replace(entry, refund_id=refund.refund_id)
        await self._checkpoint("note_refund.done")
        return self.entries[order_id]

    async def refunded(self, order_id: str, refund: Refunded) -> LedgerEntry:
        """See `Ledger.refunded`."""
        await self._call("refunded")
        if (entry := self._refunding(order_id, refund)) is not None:
            self._end(replace(entry, status=OrderStatus.REFUNDED, refund_id=refund.refund_id))
        await self._checkpoint("refunded.done")
        return self.entries[order_id]

    async def get(self, order_id: str) -> LedgerEntry | None:
        """See `Ledger.get`."""
        await self._call("get")
        return self.entries.get(order_id)

    async def find(self, order_id: str) -> LedgerEntry | Tombstone | None:
        """See `Ledger.find`."""
        await self._call("find")
        return self.entries.get(order_id) or self.tombstones.get(order_id)

    async def untouched_since(self, since: datetime, /) -> AsyncIterator[str]:
        """See `UnsettledOrders.untouched_since`."""
        await self._call("untouched_since")
        for entry in list(self.entries.values()):
            if (not entry.status.is_terminal or entry.event_owed) and entry.updated_at < since:
                yield entry.order_id

    async def paid_since(self, since: datetime, /) -> AsyncIterator[str]:
        """See `PaidOrders.paid_since`."""
        await self._call("paid_since")
        for entry in list(self.entries.values()):
            if entry.status is OrderStatus.COMPLETED and entry.completed_at is not None and entry.completed_at >= since:
                yield entry.order_id

    def _refunding(self, order_id: str, refund: Refunded) -> LedgerEntry | None:
        """The entry that waits for this refund; None if it has come before."""
        entry = self.entries.get(order_id)
        if entry is None:
            raise LedgerUnavailableError(f"{order_id} is not in the ledger", reason="entry_missing")
        if entry.status is OrderStatus.REFUNDING and entry.refund_id in {None, refund.refund_id}:
            return entry
        refunded_before(entry, refund)
        return None

    def _insert(self, first: LedgerEntry) -> bool:
        """Write a first entry, or let a tombstone in its place have its content; whether it is as it was given."""
        if first.order_id in self.entries:
            return False
        tombstone = self.tombstones.pop(first.order_id, None)
        if tombstone is not None:
            first = self._retention.ended(first.called_off(tombstone), now=self._now())
        self.entries[first.order_id] = first
        return tombstone is None

    def _end(self, entry: LedgerEntry) -> None:
        now = self._now()
        ended = replace(entry, lease_until=None, updated_at=now, completed_at=now)
        self.entries[entry.order_id] = self._retention.ended(ended, now=now)

    def _now(self) -> datetime:
        return whole_ms(self._clock())

    async def _call(self, method: str) -> None:
        self.calls.append(method)
        await self._checkpoint(f"{method}.called")
        if self.unavailable:
            raise LedgerUnavailableError("the ledger is made unavailable by the test", reason="connection")


def _settled(entry: LedgerEntry, result: ChargeResult, *, owner: str) -> LedgerEntry:
    approved = isinstance(result, Approved)
    return replace(
        entry,
        status=OrderStatus.COMPLETED if approved else OrderStatus.DECLINED,
        charge_id=result.charge_id if isinstance(result, Approved) else None,
        reason=None if isinstance(result, Approved) else result.reason,
        owner=owner,
    )
