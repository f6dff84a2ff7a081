"""The rules of claiming, accepting and giving up, as tables: what an entry that is already there answers."""

from dataclasses import replace
from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import Accepted, AlreadyTerminal, Claim, Claimed, ContentMismatch, HeldElsewhere, LedgerEntry
from flashpay.claims import claimed, evaluate_acceptance, evaluate_claim, may_fail
from flashpay.testing import START, sample_order

ORDER = sample_order()
LEASE_END = START + timedelta(seconds=30)
ENDED = LEASE_END
LIVE = LEASE_END - timedelta(milliseconds=1)
HELD = LedgerEntry.claimed_first(ORDER, owner="first", lease_until=LEASE_END, now=START)
FREE = replace(HELD, lease_until=None)
PENDING = LedgerEntry.accepted_first(ORDER, owner="first", now=START)
COMPLETED = replace(FREE, status=OrderStatus.COMPLETED, charge_id="ch_1")
DECLINED = replace(FREE, status=OrderStatus.DECLINED, reason="card_declined")
SOLD_OUT = replace(FREE, status=OrderStatus.SOLD_OUT)
FAILED = replace(FREE, status=OrderStatus.FAILED, reason="exhausted")
OTHER = LedgerEntry.claimed_first(sample_order(quantity=3), owner="first", lease_until=LEASE_END, now=START)
OWN = Claimed(order=ORDER, attempt=1, owner="first", lease_until=LEASE_END)


@pytest.mark.parametrize("entry", [COMPLETED, DECLINED, SOLD_OUT], ids=lambda entry: entry.status)
@pytest.mark.parametrize("reopen", [True, False])
def test_a_terminal_order_is_claimed_by_nobody(entry: LedgerEntry, *, reopen: bool) -> None:
    for owner in ("first", "second"):
        assert evaluate_claim(entry, ORDER, owner=owner, now=ENDED, reopen=reopen) == AlreadyTerminal(entry=entry)


@pytest.mark.parametrize(
    ("entry", "owner", "at_end", "reopen", "answer"),
    [
        (HELD, "second", False, False, HeldElsewhere(lease_until=LEASE_END)),
        (HELD, "second", False, True, HeldElsewhere(lease_until=LEASE_END)),
        (HELD, "first", False, False, OWN),
        (HELD, "first", True, False, None),
        (HELD, "second", True, False, None),
        (FREE, "second", False, False, None),
        (PENDING, "second", False, False, None),
        (FAILED, "second", False, False, AlreadyTerminal(entry=FAILED)),
        (FAILED, "second", False, True, None),
        (OTHER, "first", False, False, ContentMismatch(entry=OTHER)),
        (OTHER, "second", True, True, ContentMismatch(entry=OTHER)),
        (
            replace(OTHER, status=OrderStatus.FAILED),
            "second",
            True,
            True,
            ContentMismatch(entry=replace(OTHER, status=OrderStatus.FAILED)),
        ),
    ],
)
def test_what_a_claim_is_answered(
    entry: LedgerEntry, owner: str, *, at_end: bool, reopen: bool, answer: Claim | None
) -> None:
    assert evaluate_claim(entry, ORDER, owner=owner, now=ENDED if at_end else LIVE, reopen=reopen) == answer


@pytest.mark.parametrize(
    ("entry", "owner", "first"),
    [
        (PENDING, "first", True),
        (PENDING, "second", False),
        (HELD, "first", False),
        (HELD, "second", False),
        (FAILED, "first", False),
    ],
)
def test_only_the_call_that_wrote_a_pending_entry_was_the_first(entry: LedgerEntry, owner: str, *, first: bool) -> None:
    assert evaluate_acceptance(entry, ORDER, owner=owner) == Accepted(entry=entry, first=first)


def test_an_acceptance_of_another_content_is_a_mismatch_also_for_the_same_call() -> None:
    other = LedgerEntry.accepted_first(sample_order(quantity=3), owner="first", now=START)
    assert evaluate_acceptance(other, ORDER, owner="first") == ContentMismatch(entry=other)


@pytest.mark.parametrize(
    ("entry", "attempt", "at_end", "allowed"),
    [
        (HELD, None, False, False),
        (HELD, None, True, True),
        (HELD, 1, False, True),
        (HELD, 1, True, True),
        (HELD, 2, True, False),
        (FREE, None, False, True),
        (FREE, 2, False, False),
        (PENDING, None, False, True),
        (PENDING, 0, False, True),
        *((entry, attempt, True, False) for entry in (COMPLETED, DECLINED, SOLD_OUT, FAILED) for attempt in (None, 1)),
        *(
            (entry, attempt, True, False)
            for entry in (OTHER, replace(OTHER, lease_until=None))
            for attempt in (None, 1)
        ),
    ],
)
def test_who_may_be_given_up(entry: LedgerEntry, attempt: int | None, *, at_end: bool, allowed: bool) -> None:
    assert may_fail(entry, ORDER, now=ENDED if at_end else LIVE, attempt=attempt) is allowed


def test_the_claim_of_an_entry_carries_the_prices_of_the_entry() -> None:
    assert claimed(HELD) == OWN


@pytest.mark.parametrize("entry", [replace(HELD, owner=None), FREE], ids=["no owner", "no lease"])
def test_an_entry_that_is_not_under_lease_stands_for_no_claim(entry: LedgerEntry) -> None:
    with pytest.raises(ValueError, match=f"the entry of {ORDER.order_id} is not under lease"):
        claimed(entry)
