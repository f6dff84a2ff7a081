"""Fakes of the ledger, the gateway and the stock for tests; all hold to the contract of the real ones."""

from flashpay.testing.gateway import Abandonment, FakeCharge, FakeGateway, Reply
from flashpay.testing.ledger import MemoryLedger
from flashpay.testing.orders import START, ManualClock, sample_order
from flashpay.testing.outcomes import FakeOutcomes
from flashpay.testing.refunds import KEY_WINDOW, FakeRefund, FakeRefunds, cancel, refunder_of
from flashpay.testing.schedule import Checkpoint, no_checkpoint
from flashpay.testing.stock import FakeStock, level_of, sample_reservation, set_up_product

__all__ = [
    "KEY_WINDOW",
    "START",
    "Abandonment",
    "Checkpoint",
    "FakeCharge",
    "FakeGateway",
    "FakeOutcomes",
    "FakeRefund",
    "FakeRefunds",
    "FakeStock",
    "ManualClock",
    "MemoryLedger",
    "Reply",
    "cancel",
    "level_of",
    "no_checkpoint",
    "refunder_of",
    "sample_order",
    "sample_reservation",
    "set_up_product",
]
