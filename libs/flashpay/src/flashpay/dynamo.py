"""The ledger in DynamoDB."""

import secrets
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
from flashpay.items import EXPIRES_AT, UNSETTLED, Attribute, Item, moment, number, seconds, shard, text, to_item
from flashpay.ledger import Clock, RecordedOrder, recorded_before, refunded_before, utc_now
from flashpay.retention import KEPT, Retention
from flashpay.table import Condition, DynamoClient, OrdersTable, Unchanged, Written

_PROCESSING = text(OrderStatus.PROCESSING)
_FAILED = text(OrderStatus.FAILED)
# What a claim changes of an entry.
_CLAIMED = ("status", "owner", "attempt", "lease_until", "updated_at", "reopened", UNSETTLED)
# Each lost round means that another owner moved the order on, so the next one all but ends the matter.
_ROUNDS = 5


class DynamoLedger:
    """A `Ledger` in one DynamoDB table.

    Every write is one conditional request, so botocore's own retry after a lost reply is safe: the failed
    condition returns the item, and the item names its owner.

    Args:
        client: An aiobotocore DynamoDB client, opened and closed by the caller.
        table: The name of the orders table.
        retention: What is left to do with an order that has ended.
        clock: The wall clock that leases are counted by.
    """

    def __init__(
        self, *, client: DynamoClient, table: str, retention: Retention = KEPT, clock: Clock = utc_now
    ) -> None:
        self._table = OrdersTable(client=client, name=table)
        self._retention = retention
        self._clock = clock

    async def accept(self, order: Order, *, reservation: Reservation | None = None) -> Acceptance:
        """See `Ledger.accept`. One write."""
        owner = f"accept/{secrets.token_hex(6)}"
        entry = LedgerEntry.accepted_first(order, owner=owner, now=self._now(), reservation=reservation)
        outcome = await self._insert(entry)
        if isinstance(outcome, Written):
            return Accepted(entry=entry, first=True)
        return evaluate_acceptance(_standing(outcome, order.order_id), order, owner=owner)

    async def claim(
        self,
        order: Order,
        *,
        owner: str,
        lease: timedelta,
        reopen: bool = False,
        reservation: Reservation | None = None,
    ) -> Claim:
        """See `Ledger.claim`. One write for a new order, two for one that was accepted or claimed before."""
        now = self._now()
        lease_until = whole_ms(now + lease)
        first = LedgerEntry.claimed_first(order, owner=owner, lease_until=lease_until, now=now, reservation=reservation)
        outcome = await self._insert(first)
        if isinstance(outcome, Written):
            return claimed(first, order=order)
        for _ in range(_ROUNDS):
            entry = _standing(outcome, order.order_id)
            if isinstance(outcome, Written):
                return claimed(entry)
            answer = evaluate_claim(entry, order, owner=owner, now=now, reopen=reopen)
            if answer is not None:
                return answer
            taken = entry.taken_over(owner=owner, lease_until=lease_until, now=now)
            outcome = await self._take_over(entry, taken)
        raise _contention(order.order_id)

    async def record(self, claimed: Claimed, result: ChargeResult) -> RecordedOrder:
        """See `Ledger.record`. One write."""
        order_id = claimed.order.order_id
        answer = (
            {"status": text(OrderStatus.COMPLETED), "charge_id": text(result.charge_id)}
            if isinstance(result, Approved)
            else {"status": text(OrderStatus.DECLINED), "reason": text(result.reason)}
        )
        outcome = await self._end(
            order_id,
            assign={**answer, "owner": text(claimed.owner)},
            remove=("reason",) if isinstance(result, Approved) else (),
            where={"status": (_PROCESSING, _FAILED)},
            now=self._now(),
        )
        entry = _standing(outcome, order_id)
        if isinstance(outcome, Written):
            return RecordedOrder(entry=entry, first=True)
        return recorded_before(entry, claimed, result)

    async def release(self, claimed: Claimed) -> None:
        """See `Ledger.release`. One write."""
        now = moment(self._now())
        await self._table.update(
            claimed.order.order_id,
            assign={"lease_until": now, "updated_at": now},
            where={
                "status": (_PROCESSING,),
                "owner": (text(claimed.owner),),
                "attempt": (number(claimed.attempt),),
            },
        )

    async def fail(
        self, order: Order, *, reason: str, attempt: int | None = None, reservation: Reservation | None = None
    ) -> LedgerEntry:
        """See `Ledger.fail`. Two writes for an order that was claimed before."""
        now = self._now()
        unclaimed = LedgerEntry.failed_unclaimed(order, reason=reason, now=now, reservation=reservation)
        outcome = await self._insert(self._retention.ended(unclaimed, now=now))
        for _ in range(_ROUNDS):
            entry = _standing(outcome, order.order_id)
            if isinstance(outcome, Written) or not may_fail(entry, order, now=now, attempt=attempt):
                return entry
            failed = {"status": _FAILED, "reason": text(reason)}
            outcome = await self._end(order.order_id, assign=failed, where=_unmoved(entry), now=now)
        raise _contention(order.order_id)

    async def sell_out(self, claimed: Claimed) -> LedgerEntry:
        """See `Ledger.sell_out`. One write."""
        order_id = claimed.order.order_id
        where = {"status": (_PROCESSING,), "attempt": (number(claimed.attempt),)}
        sold_out = {"status": text(OrderStatus.SOLD_OUT)}
        return _standing(await self._end(order_id, assign=sold_out, where=where, now=self._now()), order_id)

    async def told(self, entry: LedgerEntry) -> None:
        """See `Ledger.told`. One write."""
        expires_at = self._retention.expiry(self._now())
        expiry = {} if expires_at is None else {EXPIRES_AT: seconds(expires_at)}
        await self._table.update(entry.order_id, assign=expiry, remove=(UNSETTLED,), where=_unmoved(entry))

    async def touch(self, entry: LedgerEntry) -> bool:
        """See `Ledger.touch`. One write."""
        rested = {"updated_at": moment(self._now())}
        return isinstance(await self._table.update(entry.order_id, assign=rested, where=_unmoved(entry)), Written)

    async def cancel(self, order_id: str) -> LedgerEntry | Tombstone:
        """See `Ledger.cancel`. One write for an order that the ledger has not met, two for any other."""
        now = self._now()
        outcome = await self._table.insert_tombstone(self._retention.tombstone(order_id, now=now))
        for _ in range(_ROUNDS):
            entry = outcome.entry
            if isinstance(outcome, Written) or isinstance(entry, Tombstone):
                return _there(entry, order_id)
            standing = _standing(outcome, order_id)
            status = evaluate_cancellation(standing)
            if status is None:
                return standing
            outcome = await self._call_off(standing, status, now)
        raise _contention(order_id)

    async def note_refund(self, order_id: str, refund: Refunded) -> LedgerEntry:
        """See `Ledger.note_refund`. One write."""
        noted = {"refund_id": text(refund.refund_id)}
        return _refunded(await self._table.update(order_id, assign=noted, where=_refunding(refund)), order_id, refund)

    async def refunded(self, order_id: str, refund: Refunded) -> LedgerEntry:
        """See `Ledger.refunded`. One write."""
        refunded = {"status": text(OrderStatus.REFUNDED), "refund_id": text(refund.refund_id)}
        outcome = await self._end(order_id, assign=refunded, where=_refunding(refund), now=self._now())
        return _refunded(outcome, order_id, refund)

    async def get(self, order_id: str) -> LedgerEntry | None:
        """See `Ledger.get`. A strongly consistent read."""
        found = await self.find(order_id)
        return None if isinstance(found, Tombstone) else found

    async def find(self, order_id: str) -> LedgerEntry | Tombstone | None:
        """See `Ledger.find`. A strongly consistent read."""
        return await self._table.get(order_id)

    async def _insert(self, entry: LedgerEntry) -> Written | Unchanged:
        """Write a first entry, or let a tombstone in its place have its content."""
        outcome = await self._table.insert(entry)
        if isinstance(outcome.entry, Tombstone):
            called_off = self._retention.ended(entry.called_off(outcome.entry), now=self._now())
            return Unchanged(entry=(await self._table.replace_tombstone(called_off)).entry)
        return outcome

    async def _call_off(self, entry: LedgerEntry, status: OrderStatus, now: datetime) -> Written | Unchanged:
        assign = {"status": text(status)}
        if status.is_terminal:
            return await self._end(entry.order_id, assign=assign, where=_unmoved(entry), now=now)
        return await self._table.update(
            entry.order_id,
            assign={**assign, "updated_at": moment(now), UNSETTLED: shard(entry.order_id)},
            remove=("completed_at", EXPIRES_AT),
            where=_unmoved(entry),
        )

    async def _take_over(self, entry: LedgerEntry, taken: LedgerEntry) -> Written | Unchanged:
        item = to_item(taken)
        return await self._table.update(
            entry.order_id,
            assign={name: item[name] for name in _CLAIMED if name in item},
            remove=("completed_at", "reason", EXPIRES_AT),
            where=_unmoved(entry),
        )

    async def _end(
        self, order_id: str, *, assign: Item, where: Condition, now: datetime, remove: tuple[str, ...] = ()
    ) -> Written | Unchanged:
        """Bring an order to the end that `assign` says, with all that every end has."""
        left: dict[str, Attribute] = {}
        if self._retention.announced:
            left[UNSETTLED] = shard(order_id)
        elif (expires_at := self._retention.expiry(now)) is not None:
            left[EXPIRES_AT] = seconds(expires_at)
        gone = {"lease_until", UNSETTLED, EXPIRES_AT} - left.keys()
        return await self._table.update(
            order_id,
            assign={**assign, **left, "updated_at": moment(now), "completed_at": moment(now)},
            remove=(*remove, *sorted(gone)),
            where=where,
        )

    def _now(self) -> datetime:
        return whole_ms(self._clock())


def _unmoved(entry: LedgerEntry) -> Condition:
    # Every claim raises the attempt and every end changes the status, so these two show any move.
    return {"status": (text(entry.status),), "attempt": (number(entry.attempt),)}


def _refunding(refund: Refunded) -> Condition:
    return {"status": (text(OrderStatus.REFUNDING),), "refund_id": (text(refund.refund_id), None)}


def _refunded(outcome: Written | Unchanged, order_id: str, refund: Refunded) -> LedgerEntry:
    entry = _standing(outcome, order_id)
    return entry if isinstance(outcome, Written) else refunded_before(entry, refund)


def _there(entry: LedgerEntry | Tombstone | None, order_id: str) -> LedgerEntry | Tombstone:
    if entry is None:
        raise LedgerUnavailableError(f"{order_id} is not in the ledger", reason="entry_missing")
    return entry


def _standing(outcome: Written | Unchanged, order_id: str) -> LedgerEntry:
    entry = _there(outcome.entry, order_id)
    if isinstance(entry, Tombstone):
        # Whoever comes here has brought the content, or claimed the order before: somebody removed its entry since.
        raise LedgerUnavailableError(f"{order_id} has lost its entry", reason="entry_missing")
    return entry


def _contention(order_id: str) -> LedgerUnavailableError:
    return LedgerUnavailableError(f"too many owners want {order_id} at once", reason="contention")
