"""Fakes of the ledger and the gateway for tests; both hold to the contract of the real ones."""

from flashpay.testing.gateway import Abandonment, FakeCharge, FakeGateway, Reply
from flashpay.testing.ledger import MemoryLedger
from flashpay.testing.orders import START, ManualClock, sample_order
from flashpay.testing.schedule import Checkpoint, no_checkpoint

__all__ = [
    "START",
    "Abandonment",
    "Checkpoint",
    "FakeCharge",
    "FakeGateway",
    "ManualClock",
    "MemoryLedger",
    "Reply",
    "no_checkpoint",
    "sample_order",
]
