"""What the ledger knows of one order."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from flashmsg import Order, OrderStatus, PricedLine, Reservation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970 (UTC), rounded down: what the ledger stores."""
    return (moment - _EPOCH) // _MILLISECOND


def from_epoch_ms(milliseconds: int) -> datetime:
    """The moment of `to_epoch_ms`, exactly."""
    return _EPOCH + milliseconds * _MILLISECOND


def whole_ms(moment: datetime) -> datetime:
    """The moment as the ledger keeps it."""
    return from_epoch_ms(to_epoch_ms(moment))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """An order that was called off before the ledger had met it: whoever brings its content finds it cancelled."""

    order_id: str
    cancelled_at: datetime
    expires_at: datetime | None = None

    @property
    def status(self) -> OrderStatus:
        """Always `cancelled`."""
        return OrderStatus.CANCELLED


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One order in the ledger. Amounts are minor units of `currency`; moments are UTC, whole milliseconds.

    Attributes:
        items: The lines at the prices of the first acceptance or claim.
        total_minor: The amount that is charged, fixed likewise.
        completed_at: When the status became terminal.
        charge_id: The gateway's name of the charge, once `completed`.
        refund_id: The gateway's name of the refund, once that is made; the order may still be `refunding`.
        reason: Why it is `declined` or `failed`.
        attempt: How often the order was claimed; 0 for one that is pending or failed before any claim.
        owner: Who accepted it, who claimed it last, or who recorded the answer.
        lease_until: Until when the claim is exclusive, while `processing`.
        reservation: The limited units that are the order's own, those of its first acceptance or claim; None if nothing
            is limited.
        reopened: How often a claim has opened the order again after it was failed.
        event_owed: Whether the order has ended and nobody is known to have told the subscribers.
        expires_at: When the ledger may forget the order, in whole seconds; None while it must not.
    """

    order_id: str
    status: OrderStatus
    customer_id: int
    items: tuple[PricedLine, ...]
    currency: str
    total_minor: int
    fingerprint: str
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None = None
    charge_id: str | None = None
    refund_id: str | None = None
    reason: str | None = None
    attempt: int
    owner: str | None
    lease_until: datetime | None
    reservation: Reservation | None
    reopened: int = 0
    event_owed: bool = False
    expires_at: datetime | None = None

    @property
    def order(self) -> Order:
        """The order as it was first accepted or claimed: its prices are the ones that are charged."""
        return Order(
            order_id=self.order_id,
            customer_id=self.customer_id,
            items=self.items,
            currency=self.currency,
            total_minor=self.total_minor,
            created_at=self.created_at,
        )

    @classmethod
    def accepted_first(
        cls, order: Order, *, owner: str, now: datetime, reservation: Reservation | None = None
    ) -> "LedgerEntry":
        """The entry of an order that was accepted and that nobody claimed yet."""
        return _entry_of(order, OrderStatus.PENDING, now, reservation, owner=owner)

    @classmethod
    def claimed_first(
        cls,
        order: Order,
        *,
        owner: str,
        lease_until: datetime,
        now: datetime,
        reservation: Reservation | None = None,
    ) -> "LedgerEntry":
        """The entry of an order that nobody claimed before."""
        status, until = OrderStatus.PROCESSING, whole_ms(lease_until)
        return _entry_of(order, status, now, reservation, owner=owner, attempt=1, lease_until=until)

    def taken_over(self, *, owner: str, lease_until: datetime, now: datetime) -> "LedgerEntry":
        """This entry under the next claim."""
        return replace(
            self,
            status=OrderStatus.PROCESSING,
            owner=owner,
            attempt=self.attempt + 1,
            lease_until=whole_ms(lease_until),
            updated_at=whole_ms(now),
            completed_at=None,
            reason=None,
            event_owed=False,
            expires_at=None,
            reopened=self.reopened + (self.status is OrderStatus.FAILED),
        )

    def called_off(self, tombstone: Tombstone) -> "LedgerEntry":
        """This first entry of an order as it stands after a cancellation that came before it."""
        return replace(
            self,
            status=OrderStatus.CANCELLED,
            attempt=0,
            owner=None,
            lease_until=None,
            reason=None,
            updated_at=tombstone.cancelled_at,
            completed_at=tombstone.cancelled_at,
        )

    @classmethod
    def failed_unclaimed(
        cls, order: Order, *, reason: str, now: datetime, reservation: Reservation | None = None
    ) -> "LedgerEntry":
        """The entry of an order that was given up before anybody could claim it."""
        entry = _entry_of(order, OrderStatus.FAILED, now, reservation)
        return replace(entry, completed_at=entry.updated_at, reason=reason)


def _entry_of(
    order: Order,
    status: OrderStatus,
    now: datetime,
    reservation: Reservation | None,
    *,
    owner: str | None = None,
    attempt: int = 0,
    lease_until: datetime | None = None,
) -> LedgerEntry:
    return LedgerEntry(
        order_id=order.order_id,
        status=status,
        customer_id=order.customer_id,
        items=order.items,
        currency=order.currency,
        total_minor=order.total_minor,
        fingerprint=order.fingerprint,
        created_at=whole_ms(order.created_at),
        updated_at=whole_ms(now),
        reservation=reservation,
        owner=owner,
        attempt=attempt,
        lease_until=lease_until,
    )
