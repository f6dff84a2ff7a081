"""The table: how an attempt ended, and what becomes of its message."""

from dataclasses import replace
from datetime import timedelta

import pytest

from flashmsg import MalformedMessageError, OrderStatus
from flashpay import (
    Acknowledge,
    Busy,
    ChargeUnknown,
    ConflictingChargeError,
    DeadLetter,
    Delivery,
    Disposition,
    Duplicate,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    GivenUp,
    GiveUp,
    GiveUpOrder,
    HandBack,
    KeyReusedError,
    LedgerEntry,
    LedgerRefusedError,
    LedgerUnavailableError,
    Mismatch,
    Settled,
    Settlement,
    SoldOut,
    StockUnsettledError,
    decide,
    decide_given_up,
    decide_poison,
)
from flashpay.testing import START, sample_order

ORDER = sample_order()
OPEN = LedgerEntry.claimed_first(ORDER, owner="w", lease_until=START, now=START)
COMPLETED = replace(OPEN, status=OrderStatus.COMPLETED, charge_id="ch_1")
FAILED = replace(OPEN, status=OrderStatus.FAILED, reason="server_error")
OTHER = LedgerEntry.claimed_first(sample_order(quantity=3), owner="w", lease_until=START, now=START)
FIRST, THIRD, LAST = (Delivery(receives=receives, max_receives=5) for receives in (1, 3, 5))
BEYOND = Delivery(receives=6, max_receives=5)
TOPIC = Delivery(receives=None, max_receives=5)
LEASE_LEFT = timedelta(seconds=12)
BUSY = Busy(lease_until=START + LEASE_LEFT)
ASKED = timedelta(seconds=9)
DOWN = GatewayUnavailableError("down", reason="server_error", retry_after=ASKED, status=503)
IN_FLIGHT = GatewayInFlightError("in flight", reason="in_flight", status=409)
THROTTLED = LedgerUnavailableError("slow", reason="throttled")
CONFLICT = ConflictingChargeError("two answers", reason="conflicting_charge")
CRASH = RuntimeError("a bug")
SOLD_OUT = replace(OPEN, status=OrderStatus.SOLD_OUT, attempt=3)
UNSETTLED = StockUnsettledError("completed: no stock", settled=True)
UNSETTLED_KEPT = DeadLetter(outcome="unresolved", reason="stock_unavailable", detail="completed: no stock")


def exhausted(delivery: Delivery, reason: str) -> GiveUpOrder:
    return GiveUpOrder(
        reason="exhausted", detail=f"delivered {delivery.receives} times, last failure: {reason}", uncharged=False
    )


KEPT_FAILED = DeadLetter(
    outcome="duplicate", reason="server_error", detail="the order is failed, its first dead letter may be lost"
)
TABLE: list[tuple[Settlement | Exception, Delivery, Disposition | GiveUpOrder]] = [
    (Settled(entry=COMPLETED, attempt=2), FIRST, Acknowledge(outcome="completed", entry=COMPLETED, attempt=2)),
    (Settled(entry=COMPLETED, attempt=2), LAST, Acknowledge(outcome="completed", entry=COMPLETED, attempt=2)),
    (Duplicate(entry=COMPLETED), FIRST, Acknowledge(outcome="duplicate", entry=COMPLETED, attempt=None)),
    (Duplicate(entry=COMPLETED), LAST, Acknowledge(outcome="duplicate", entry=COMPLETED)),
    (Mismatch(entry=OTHER), FIRST, Acknowledge(outcome="mismatch", entry=OTHER)),
    (Mismatch(entry=OTHER), LAST, Acknowledge(outcome="mismatch", entry=OTHER)),
    (SoldOut(entry=SOLD_OUT), FIRST, Acknowledge(outcome="sold_out", entry=SOLD_OUT, attempt=3)),
    (SoldOut(entry=SOLD_OUT), LAST, Acknowledge(outcome="sold_out", entry=SOLD_OUT, attempt=3)),
    (UNSETTLED, FIRST, HandBack(outcome="retry", reason="stock_unavailable", step=1)),
    (UNSETTLED, THIRD, HandBack(outcome="retry", reason="stock_unavailable", step=3)),
    (UNSETTLED, TOPIC, HandBack(outcome="retry", reason="stock_unavailable", step=1)),
    (UNSETTLED, LAST, UNSETTLED_KEPT),
    # A repeat is a duplicate; a message that came before may have lost its dead letter.
    (Duplicate(entry=FAILED), FIRST, Acknowledge(outcome="duplicate", entry=FAILED)),
    (Duplicate(entry=FAILED), THIRD, KEPT_FAILED),
    (Duplicate(entry=FAILED), TOPIC, KEPT_FAILED),
    (BUSY, FIRST, HandBack(outcome="busy", reason="busy", at_least=LEASE_LEFT, step=1)),
    (BUSY, THIRD, HandBack(outcome="busy", reason="busy", at_least=LEASE_LEFT, step=1)),
    (BUSY, TOPIC, HandBack(outcome="busy", reason="busy", at_least=LEASE_LEFT, step=1)),
    (BUSY, LAST, exhausted(LAST, "busy")),
    (Busy(lease_until=START - LEASE_LEFT), FIRST, HandBack(outcome="busy", reason="busy", at_least=timedelta(0))),
    (DOWN, FIRST, HandBack(outcome="retry", reason="server_error", at_least=ASKED, step=1)),
    (DOWN, THIRD, HandBack(outcome="retry", reason="server_error", at_least=ASKED, step=3)),
    (DOWN, TOPIC, HandBack(outcome="retry", reason="server_error", at_least=ASKED, step=1)),
    (DOWN, LAST, exhausted(LAST, "server_error")),
    (DOWN, BEYOND, exhausted(BEYOND, "server_error")),
    (IN_FLIGHT, THIRD, HandBack(outcome="retry", reason="in_flight", step=3)),
    (IN_FLIGHT, LAST, exhausted(LAST, "in_flight")),
    (THROTTLED, THIRD, HandBack(outcome="retry", reason="throttled", step=3)),
    (THROTTLED, LAST, exhausted(LAST, "throttled")),
    (CRASH, THIRD, HandBack(outcome="crashed", reason="crashed", step=3)),
    (CRASH, TOPIC, HandBack(outcome="crashed", reason="crashed", step=1)),
    (CRASH, LAST, exhausted(LAST, "crashed")),
    (CONFLICT, FIRST, DeadLetter(outcome="conflict", reason="conflicting_charge", detail="two answers")),
    (CONFLICT, TOPIC, DeadLetter(outcome="conflict", reason="conflicting_charge", detail="two answers")),
    (
        KeyReusedError("reused", reason="key_reused"),
        FIRST,
        GiveUpOrder(reason="key_reused", detail="reused", uncharged=True),
    ),
    (GatewayRefusedError("bad", reason="bad_request"), TOPIC, GiveUpOrder(reason="bad_request", detail="bad")),
    (LedgerRefusedError("bad", reason="corrupt_entry"), FIRST, GiveUpOrder(reason="corrupt_entry", detail="bad")),
]


@pytest.mark.parametrize(("ended", "delivery", "decision"), TABLE)
def test_what_becomes_of_a_message(
    ended: Settlement | Exception, delivery: Delivery, decision: Disposition | GiveUpOrder
) -> None:
    assert decide(ended, delivery, now=START) == decision


WHY = GiveUpOrder(reason="exhausted", detail="five times")
UNKNOWN = ChargeUnknown(error=IN_FLIGHT)


def unresolved(trouble: str) -> DeadLetter:
    return DeadLetter(outcome="unresolved", reason="exhausted", detail=f"five times; {trouble}")


GIVEN_UP: list[tuple[GiveUp | Exception, Delivery, Disposition]] = [
    (GivenUp(entry=FAILED), FIRST, DeadLetter(outcome="failed", reason="exhausted", detail="five times")),
    (GivenUp(entry=FAILED), LAST, DeadLetter(outcome="failed", reason="exhausted", detail="five times")),
    (GivenUp(entry=COMPLETED), LAST, Acknowledge(outcome="duplicate", entry=COMPLETED)),
    (GivenUp(entry=OTHER), LAST, Acknowledge(outcome="mismatch", entry=OTHER)),
    (GivenUp(entry=replace(OTHER, status=OrderStatus.FAILED)), LAST, Acknowledge(
        outcome="mismatch", entry=replace(OTHER, status=OrderStatus.FAILED)
    )),
    (GivenUp(entry=OPEN), THIRD, HandBack(outcome="retry", reason="busy", step=3)),
    (GivenUp(entry=OPEN), LAST, unresolved("another attempt took the order")),
    (Settled(entry=COMPLETED, attempt=6), LAST, Acknowledge(outcome="completed", entry=COMPLETED, attempt=6)),
    (Duplicate(entry=COMPLETED), LAST, Acknowledge(outcome="duplicate", entry=COMPLETED)),
    (Duplicate(entry=FAILED), LAST, DeadLetter(outcome="duplicate", reason="exhausted", detail="five times")),
    (Mismatch(entry=OTHER), LAST, Acknowledge(outcome="mismatch", entry=OTHER)),
    (BUSY, THIRD, HandBack(outcome="busy", reason="busy", at_least=LEASE_LEFT)),
    (BUSY, LAST, unresolved(f"another attempt holds the order until {START + LEASE_LEFT}")),
    (UNKNOWN, THIRD, HandBack(outcome="retry", reason="in_flight", step=3)),
    (UNKNOWN, TOPIC, HandBack(outcome="retry", reason="in_flight", step=1)),
    (UNKNOWN, LAST, unresolved("what became of the charge is not known: in flight")),
    (THROTTLED, THIRD, HandBack(outcome="retry", reason="throttled", step=3)),
    (THROTTLED, LAST, unresolved("the ledger was not told: slow")),
    (UNSETTLED, THIRD, HandBack(outcome="retry", reason="stock_unavailable", step=3)),
    (UNSETTLED, LAST, UNSETTLED_KEPT),
    (SoldOut(entry=SOLD_OUT), LAST, Acknowledge(outcome="sold_out", entry=SOLD_OUT, attempt=3)),
    (CONFLICT, LAST, DeadLetter(outcome="conflict", reason="conflicting_charge", detail="two answers")),
    (CRASH, THIRD, HandBack(outcome="retry", reason="crashed", step=3)),
    (CRASH, LAST, unresolved("giving it up crashed: RuntimeError('a bug')")),
]  # fmt: skip


@pytest.mark.parametrize(("ended", "delivery", "decision"), GIVEN_UP)
def test_what_becomes_of_a_message_whose_order_is_given_up(
    ended: GiveUp | Exception, delivery: Delivery, decision: Disposition
) -> None:
    assert decide_given_up(ended, ORDER, WHY, delivery, now=START) == decision


def test_poison_is_a_dead_letter_at_once() -> None:
    error = MalformedMessageError("not JSON")
    assert decide_poison(error) == DeadLetter(outcome="poison", reason=error.reason, detail=str(error))


@pytest.mark.parametrize(("delivery", "left", "last"), [(FIRST, 4, False), (LAST, 0, True), (BEYOND, 0, True)])
def test_receives_are_counted_down(delivery: Delivery, left: int, *, last: bool) -> None:
    assert (delivery.receives_left, delivery.last) == (left, last)


def test_where_nobody_counts_no_receive_is_the_last() -> None:
    assert (TOPIC.receives_left, TOPIC.last) == (0, False)


def test_what_nobody_said_is_the_harmless_answer() -> None:
    assert FIRST.redriven is False  # or every repeat would open a failed order
    assert HandBack(outcome="handed_back") == HandBack(
        outcome="handed_back", reason=None, at_least=timedelta(0), step=1
    )


def test_an_order_that_has_ended_without_its_units_is_named_to_be_counted() -> None:
    unsettled = StockUnsettledError("completed: no stock", settled=True)
    unsettled.ended = COMPLETED
    for delivery in (FIRST, LAST):
        decided = decide(unsettled, delivery, now=START)
        assert isinstance(decided, HandBack | DeadLetter)
        assert decided.ended == COMPLETED
