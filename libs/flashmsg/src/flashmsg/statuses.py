"""The life of an order, in words that every part of the system shares."""

from enum import StrEnum


class OrderStatus(StrEnum):
    """Where an order stands; the value is what the API shows and the ledger stores."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    DECLINED = "declined"
    SOLD_OUT = "sold_out"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"

    @property
    def awaits_payment(self) -> bool:
        """Whether somebody may still claim and charge the order."""
        return self in {OrderStatus.PENDING, OrderStatus.PROCESSING}

    @property
    def is_terminal(self) -> bool:
        """Whether nothing is left to do; only a redrive of `failed`, or a refund of `completed`, begins anew."""
        return not self.awaits_payment and self is not OrderStatus.REFUNDING
