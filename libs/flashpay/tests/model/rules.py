"""The rules of settle, cancel and refund, each of which a variant can break, and the worlds that are searched."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rules:
    """True everywhere is the protocol; a variant has one of them false."""

    gateway_has_keys: bool = True
    charge_key_is_the_order: bool = True
    refund_key_is_the_order: bool = True
    expired_order_stays_processing: bool = True  # no sweeper makes it pending again
    old_charge_is_only_looked_up: bool = True
    old_refund_is_only_looked_up: bool = True
    cancelled_on_a_condition: bool = True  # in the write, not in a read before it
    unmet_order_gets_a_tombstone: bool = True
    processing_order_is_not_cancelled: bool = True
    refund_is_decided_first: bool = True
    refund_is_noted_before_its_unit: bool = True
    units_return_before_the_record: bool = True
    endings_are_guarded: bool = True


@dataclass(frozen=True, kw_only=True)
class World:
    """One order with one unit of a limited product; two workers, and two processes of the API that cancel.

    Attributes:
        name: What it is about.
        keyed: The order is in the ledger before its message is published.
        waiting: It is settled in a request, and has no message; else it is in a queue.
        late: How many requests of the gateway get no answer: made and not heard of, or made late or never.
        declines: Whether the gateway may decline.
    """

    name: str
    keyed: bool = False
    waiting: bool = False
    late: int = 1
    declines: bool = False
