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

    @property
    def is_terminal(self) -> bool:
        """Whether nothing ever leaves this status."""
        return self not in {OrderStatus.PENDING, OrderStatus.PROCESSING}
