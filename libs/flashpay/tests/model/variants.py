"""Protocols that look as good and are not: each gives up one rule, and the search finds what comes of it."""

from dataclasses import dataclass

from libs.flashpay.tests.model.rules import Rules, World
from libs.flashpay.tests.model.scenarios import KEYED, QUEUED, WAITING

TWICE = "charged twice"
BACK_TWICE = "paid back more often than charged"
LIE = "said to be cancelled"
UNRECORDED = "completed with 1 charges and 1 refunds"
FORGOTTEN = "refunding for ever"
UNIT = "in the wrong place"
UNITS = "not in one place"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A protocol that is unsafe, where that shows, and as what."""

    name: str
    rules: Rules
    world: World = QUEUED
    fault: str


VARIANTS = (
    Variant(name="no gateway key", rules=Rules(gateway_has_keys=False), fault=TWICE),
    Variant(name="a key per attempt", rules=Rules(charge_key_is_the_order=False), fault=TWICE),
    Variant(
        name="a charge sent again after the key window",
        rules=Rules(old_charge_is_only_looked_up=False),
        world=WAITING,
        fault=TWICE,
    ),
    Variant(
        name="a sweeper that releases expired processing orders",
        rules=Rules(expired_order_stays_processing=False),
        fault=LIE,
    ),
    Variant(
        name="an expired processing order may be cancelled",
        rules=Rules(processing_order_is_not_cancelled=False),
        world=KEYED,
        fault=LIE,
    ),
    Variant(name="cancelled without a condition", rules=Rules(cancelled_on_a_condition=False), world=KEYED, fault=LIE),
    Variant(name="no tombstone", rules=Rules(unmet_order_gets_a_tombstone=False), fault=LIE),
    Variant(name="a refund keyed by attempt", rules=Rules(refund_key_is_the_order=False), fault=BACK_TWICE),
    Variant(
        name="a refund sent again after the key window",
        rules=Rules(old_refund_is_only_looked_up=False),
        fault=BACK_TWICE,
    ),
    Variant(name="paid back before it is decided on", rules=Rules(refund_is_decided_first=False), fault=UNRECORDED),
    Variant(
        name="the unit is given back before the refund is noted",
        rules=Rules(refund_is_noted_before_its_unit=False),
        fault=FORGOTTEN,
    ),
    Variant(
        name="recorded as refunded before the unit is back",
        rules=Rules(units_return_before_the_record=False),
        fault=UNIT,
    ),
    Variant(name="an ending without a guard", rules=Rules(endings_are_guarded=False), fault=UNITS),
)
