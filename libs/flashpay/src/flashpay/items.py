"""Ledger entries as DynamoDB items. Moments are epoch milliseconds, the lines one JSON string."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from pydantic import FailFast, TypeAdapter, ValidationError

from flashmsg import OrderStatus, PricedLine, Reservation, too_deep
from flashpay.entries import LedgerEntry, Tombstone, from_epoch_ms, to_epoch_ms
from flashpay.errors import LedgerRefusedError

Attribute: TypeAlias = Mapping[str, Any]
"""A value in DynamoDB's typed JSON: `{"S": "text"}` or `{"N": "7"}`."""

Item: TypeAlias = Mapping[str, Attribute]

# One fault is enough: an item holds 400 KB, and every fault would be named in the error.
_LINES = TypeAdapter(Annotated[tuple[PricedLine, ...], FailFast()])
_MOMENTS = ("created_at", "updated_at", "completed_at", "lease_until")
_NUMBERS = ("customer_id", "total_minor", "attempt")
_TEXTS = ("order_id", "currency", "fingerprint", "charge_id", "refund_id", "reason", "owner")


# Only orders that have not come to their end, or whose end is not told yet, have this attribute, so their index is
# sparse. Its value, an id's last character, spreads them over as many partitions as there are such characters: one
# alone would hold a sale up.
UNSETTLED = "unsettled"
# DynamoDB deletes an item some time after this moment: its TTL attribute, in epoch seconds.
EXPIRES_AT = "expires_at"
SHARDS = "abcdefghijklmnopqrstuvwxyz234567"
# Only the item of a tombstone has it.
TOMBSTONE = "tombstone"
MARKED: Attribute = {"BOOL": True}
# Characters of a fault that are told.
_FAULT_LIMIT = 500


def text(value: str) -> Attribute:
    """A string attribute."""
    return {"S": str(value)}


def number(value: int) -> Attribute:
    """A number attribute."""
    return {"N": str(value)}


def moment(value: datetime) -> Attribute:
    """A moment as a number attribute."""
    return number(to_epoch_ms(value))


def seconds(value: datetime) -> Attribute:
    """A moment as DynamoDB's TTL takes it."""
    return number(to_epoch_ms(value) // 1000)


def shard(order_id: str) -> Attribute:
    """The value of `UNSETTLED` for an order."""
    return text(order_id[-1])


def to_item(entry: LedgerEntry) -> Item:
    """The item of an entry; what is None, or never happened, has no attribute."""
    item = {"status": text(entry.status), "items": text(_LINES.dump_json(entry.items).decode("ascii"))}
    for names, attribute in ((_TEXTS, text), (_NUMBERS, number), (_MOMENTS, moment)):
        for name in names:
            value = getattr(entry, name)
            if value is not None:
                item[name] = attribute(value)
    if not entry.status.is_terminal or entry.event_owed:
        item[UNSETTLED] = shard(entry.order_id)
    if entry.expires_at is not None:
        item[EXPIRES_AT] = seconds(entry.expires_at)
    if entry.reopened:
        item["reopened"] = number(entry.reopened)
    if entry.reservation is not None:
        item["reservation"] = text(entry.reservation.model_dump_json())
    return item


def to_tombstone_item(tombstone: Tombstone) -> Item:
    """The item of a tombstone."""
    cancelled_at = moment(tombstone.cancelled_at)
    item = {
        "order_id": text(tombstone.order_id),
        "status": text(tombstone.status),
        TOMBSTONE: MARKED,
        "updated_at": cancelled_at,
        "completed_at": cancelled_at,
    }
    return item if tombstone.expires_at is None else {**item, EXPIRES_AT: seconds(tombstone.expires_at)}


def from_item(item: Item) -> LedgerEntry | Tombstone:
    """The entry of an item, or the tombstone that it is.

    Raises:
        LedgerRefusedError: An attribute is missing or malformed: not written by us.
    """
    try:
        if TOMBSTONE in item:
            cancelled_at = from_epoch_ms(int(item["completed_at"]["N"]))
            return Tombstone(order_id=item["order_id"]["S"], cancelled_at=cancelled_at, expires_at=_expiry(item))
        status = OrderStatus(item["status"]["S"])
        return LedgerEntry(
            status=status,
            items=_lines(item["items"]["S"]),
            order_id=item["order_id"]["S"],
            currency=item["currency"]["S"],
            fingerprint=item["fingerprint"]["S"],
            customer_id=int(item["customer_id"]["N"]),
            total_minor=int(item["total_minor"]["N"]),
            attempt=int(item["attempt"]["N"]),
            reopened=int(item["reopened"]["N"]) if "reopened" in item else 0,
            created_at=from_epoch_ms(int(item["created_at"]["N"])),
            updated_at=from_epoch_ms(int(item["updated_at"]["N"])),
            completed_at=from_epoch_ms(int(item["completed_at"]["N"])) if "completed_at" in item else None,
            lease_until=from_epoch_ms(int(item["lease_until"]["N"])) if "lease_until" in item else None,
            charge_id=item["charge_id"]["S"] if "charge_id" in item else None,
            refund_id=item["refund_id"]["S"] if "refund_id" in item else None,
            reason=item["reason"]["S"] if "reason" in item else None,
            owner=item["owner"]["S"] if "owner" in item else None,
            reservation=_reservation(item["reservation"]["S"]) if "reservation" in item else None,
            event_owed=status.is_terminal and UNSETTLED in item,
            expires_at=_expiry(item),
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError) as error:
        # Python and pydantic quote what they refuse, and an attribute may hold 400 KB.
        raise LedgerRefusedError(f"not a ledger item: {str(error)[:_FAULT_LIMIT]}", reason="corrupt_entry") from error


def _expiry(item: Item) -> datetime | None:
    return from_epoch_ms(1000 * int(item[EXPIRES_AT]["N"])) if EXPIRES_AT in item else None


def _lines(text: str) -> tuple[PricedLine, ...]:
    if too_deep(text):
        raise ValueError("its lines are nested too deeply")
    return _LINES.validate_json(text)


def _reservation(text: str) -> Reservation:
    if too_deep(text):
        raise ValueError("its reservation is nested too deeply")
    try:
        return Reservation.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"its reservation has faults: {error.error_count()}") from error
