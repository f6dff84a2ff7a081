"""Protocols that look as good and are not: each gives up one rule, and the search finds what comes of it."""

from dataclasses import dataclass

from libs.flashstock.tests.model.rules import Rules, World
from libs.flashstock.tests.model.scenarios import (
    AGAIN,
    FAILING,
    IDLE_UNIT,
    LAST_UNIT,
    LATE_ANSWER,
    ONE_ORDER,
    ONE_SLOT,
    REOPENED,
    REPEATED,
    SAME_KEY,
    TWO_SLOTS,
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A protocol that is unsafe, where that shows, and as what."""

    name: str
    rules: Rules
    world: World
    fault: str


LEAK = "reserved by nobody"
LIE = "was told that it is not accepted"
UNTRUE = "its repeat was told that it is sold out"
NEGATIVE = "a count is negative"
OVERSOLD = "oversold"
UNEQUAL = "units are sold"

VARIANTS = (
    # What was weighed and rejected.
    Variant(
        name="a counter per order, then the publish",
        rules=Rules(orders_are_journaled=False, units_are_leased=False),
        world=LAST_UNIT,
        fault=LEAK,
    ),
    Variant(
        name="leases without a journal",
        rules=Rules(orders_are_journaled=False),
        world=ONE_ORDER,
        fault=NEGATIVE,
    ),
    # The journal.
    Variant(
        name="published before it is journaled",
        rules=Rules(journal_comes_before_publish=False),
        world=ONE_ORDER,
        fault=NEGATIVE,
    ),
    Variant(
        name="a slot is used again before its publish is certain",
        rules=Rules(slot_waits_for_certainty=False),
        world=ONE_SLOT,
        fault=LEAK,
    ),
    Variant(name="two pages on their way", rules=Rules(one_page_at_a_time=False), world=TWO_SLOTS, fault=LEAK),
    Variant(
        name="a late page replaces a newer one",
        rules=Rules(page_is_newer_than_slot=False),
        world=ONE_SLOT,
        fault=NEGATIVE,
    ),
    Variant(
        name="a deleted slot is no closed slot", rules=Rules(slot_must_exist=False), world=ONE_ORDER, fault=NEGATIVE
    ),
    Variant(
        name="a refused page was never there",
        rules=Rules(refused_page_is_looked_at=False),
        world=ONE_ORDER,
        fault=LIE,
    ),
    Variant(
        name="withdrawn without a look at the slot",
        rules=Rules(withdrawal_needs_open_slot=False),
        world=ONE_ORDER,
        fault=LIE,
    ),
    # Leases.
    Variant(
        name="idle units counted without those used",
        rules=Rules(idle_excludes_used=False),
        world=IDLE_UNIT,
        fault=NEGATIVE,
    ),
    Variant(
        name="a first lease of a closed session",
        rules=Rules(first_lease_needs_open_session=False),
        world=ONE_ORDER,
        fault=LEAK,
    ),
    Variant(
        name="an empty lease removed from a living session",
        rules=Rules(lease_stays_with_session=False),
        world=AGAIN,
        fault=NEGATIVE,
    ),
    Variant(
        name="a hold taken along into another session",
        rules=Rules(hold_ends_with_session=False),
        world=REOPENED,
        fault=NEGATIVE,
    ),
    # The reclaimer.
    Variant(
        name="a lease closed before its slots",
        rules=Rules(slots_close_before_lease=False),
        world=ONE_ORDER,
        fault=NEGATIVE,
    ),
    Variant(
        name="a lease closed whatever its sequence",
        rules=Rules(lease_closes_at_its_sequence=False),
        world=ONE_ORDER,
        fault=NEGATIVE,
    ),
    Variant(
        name="slots deleted before the lease is closed",
        rules=Rules(lease_closes_before_slots_go=False),
        world=ONE_ORDER,
        fault=NEGATIVE,
    ),
    Variant(
        name="slots deleted although an order of theirs is not published",
        rules=Rules(slots_wait_for_publish=False),
        world=IDLE_UNIT,
        fault=LEAK,
    ),
    # Endings.
    Variant(name="ended without a guard", rules=Rules(endings_are_guarded=False), world=ONE_ORDER, fault=NEGATIVE),
    Variant(
        name="a guard of the order instead of the reservation",
        rules=Rules(guard_is_of_the_reservation=False),
        world=SAME_KEY,
        fault=LEAK,
    ),
    Variant(
        name="the ledger forgets which reservation it was",
        rules=Rules(ledger_keeps_the_reservation=False),
        world=SAME_KEY,
        fault=UNEQUAL,
    ),
    # Orders that fail, and give their units back.
    Variant(
        name="a guard deleted when its order is redriven",
        rules=Rules(reopening_keeps_the_guard=False),
        world=FAILING,
        fault=OVERSOLD,
    ),
    Variant(
        name="an ending that fits every reopening",
        rules=Rules(ending_names_its_reopening=False),
        world=FAILING,
        fault=OVERSOLD,
    ),
    Variant(
        name="a late answer that takes no unit",
        rules=Rules(late_answer_takes_a_unit=False),
        world=LATE_ANSWER,
        fault=UNEQUAL,
    ),
    Variant(
        name="a repeat is told sold out without a look into the journals",
        rules=Rules(repeat_looks_into_journals=False),
        world=REPEATED,
        fault=UNTRUE,
    ),
)
