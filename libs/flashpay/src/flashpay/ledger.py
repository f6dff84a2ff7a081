"""The ledger as settle() sees it: the one place where an order's state is decided."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeAlias

from flashmsg import Order, OrderStatus, Reservation
from flashpay.claims import Acceptance, Claim, Claimed
from flashpay.entries import LedgerEntry, Tombstone
from flashpay.errors import ConflictingChargeError
from flashpay.gateway import Approved, ChargeResult, Refunded

_PAID = {OrderStatus.COMPLETED, OrderStatus.REFUNDING, OrderStatus.REFUNDED}

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """The wall clock, which is what hosts share: leases are compared across them."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedOrder:
    """A settled order. `first` is False when another attempt had recorded the same answer before."""

    entry: LedgerEntry
    first: bool


class Ledger(Protocol):
    """Keeps one entry per order. Every method may raise `LedgerUnavailableError` and be called again."""

    async def accept(self, order: Order, *, reservation: Reservation | None = None) -> Acceptance:
        """Write an order down as `pending`, unless there is an entry of its id already.

        The entry fixes content and prices: claims get them back, whatever their message says. The
        `reservation` is fixed likewise, or that there is none.

        Returns:
            What the ledger holds now, an entry of another content included; nothing else is changed.
        """
        ...

    async def claim(
        self,
        order: Order,
        *,
        owner: str,
        lease: timedelta,
        reopen: bool = False,
        reservation: Reservation | None = None,
    ) -> Claim:
        """Take the order for `lease`, if it is new or its last lease has ended; with `reopen` also a failed one.

        `owner` names this one attempt of one worker: repeating the call after a lost reply returns the same
        claim. The first acceptance or claim fixes the prices; later ones, under whatever prices, get those back.
        The `reservation` is that of the first acceptance or claim likewise. Reopening a failed order is counted.
        """
        ...

    async def record(self, claimed: Claimed, result: ChargeResult) -> RecordedOrder:
        """Write down the gateway's definite answer.

        Any attempt may record, even one whose lease was taken over: with one fixed key the answer is the
        same for all. Recording the same answer again returns the entry as it stands.

        Raises:
            ConflictingChargeError: A different definite answer is already recorded.
        """
        ...

    async def release(self, claimed: Claimed) -> None:
        """End the lease early, so that the next attempt need not wait; nothing if it is no longer ours."""
        ...

    async def fail(
        self, order: Order, *, reason: str, attempt: int | None = None, reservation: Reservation | None = None
    ) -> LedgerEntry:
        """Give the order up: its message is dead-lettered under `reason`.

        To be asked only when it is certain that the customer was not charged. A terminal order, one under a live
        lease and one of another content are left alone. With `attempt`, the caller's own claim, its lease does not
        stand in the way, but any later claim does. `reservation` is kept only of an order that has no entry yet.

        Returns:
            The entry as it stands afterwards; compare its status with `failed`.
        """
        ...

    async def sell_out(self, claimed: Claimed) -> LedgerEntry:
        """End a reopened order as `sold_out`: others have its units by now. Not to be asked once it may be charged.

        An order that was claimed or ended since is left alone.

        Returns:
            The entry as it stands afterwards; compare its status with `sold_out`.
        """
        ...

    async def told(self, entry: LedgerEntry) -> None:
        """Note that the end which `entry` shows is published; nothing if the order has another one by now."""
        ...

    async def touch(self, entry: LedgerEntry) -> bool:
        """Let an order rest anew from now on; whether it still stands as `entry` shows. Nothing else is changed."""
        ...

    async def cancel(self, order_id: str) -> LedgerEntry | Tombstone:
        """Call an order off if nobody has claimed it yet, or decide on its refund if it is paid.

        An order that the ledger has not met gets a tombstone. The first acceptance or claim that comes after gives it
        its content and its reservation, and finds it cancelled.

        Returns:
            What the ledger says now. `cancelled` is not charged, ever; `refunding` is to be paid back; of any other
            status nothing was changed. Asked again, it says the same.
        """
        ...

    async def note_refund(self, order_id: str, refund: Refunded) -> LedgerEntry:
        """Keep the gateway's answer to a refund whose order is not at its end yet. Doing so again changes nothing.

        Raises:
            ConflictingChargeError: As of `refunded`.
        """
        ...

    async def refunded(self, order_id: str, refund: Refunded) -> LedgerEntry:
        """Write down that an order is paid back. Doing so again returns the entry as it stands.

        Raises:
            ConflictingChargeError: Another refund is written down, or none was decided on.
        """
        ...

    async def get(self, order_id: str) -> LedgerEntry | None:
        """The entry of an order, as last written; None for one that nobody accepted or claimed."""
        ...

    async def find(self, order_id: str) -> LedgerEntry | Tombstone | None:
        """As `get`, and the tombstone of an order that was called off before anybody accepted or claimed it."""
        ...


def recorded_before(entry: LedgerEntry, claimed: Claimed, result: ChargeResult) -> RecordedOrder:
    """What a settled entry answers to an attempt to record `result`.

    Raises:
        ConflictingChargeError: The entry holds a different answer.
    """
    same = (
        entry.status in _PAID and entry.charge_id == result.charge_id
        if isinstance(result, Approved)
        else entry.status is OrderStatus.DECLINED
    )
    if not same:
        raise ConflictingChargeError(
            f"{entry.order_id} is {entry.status.value} ({entry.charge_id}), but the gateway answers {result}",
            reason="conflicting_charge",
        )
    # The recorder signs the entry, so a retry after a lost reply knows its own work.
    return RecordedOrder(entry=entry, first=entry.owner == claimed.owner)


def refunded_before(entry: LedgerEntry, refund: Refunded) -> LedgerEntry:
    """What an entry that does not wait for this refund answers to it.

    Raises:
        ConflictingChargeError: It holds a different one, or none.
    """
    if entry.refund_id != refund.refund_id:
        raise ConflictingChargeError(
            f"{entry.order_id} is {entry.status.value} ({entry.refund_id}), but the gateway answers {refund}",
            reason="conflicting_refund",
        )
    return entry
