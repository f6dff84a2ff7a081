"""What every ledger promises of an order that is called off, or paid back."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from flashmsg import OrderStatus, Reservation
from flashpay import (
    Accepted,
    AlreadyTerminal,
    Approved,
    Claimed,
    ConflictingChargeError,
    ContentMismatch,
    Declined,
    Ledger,
    LedgerEntry,
    LedgerUnavailableError,
    Refunded,
    Tombstone,
    UnsettledOrders,
)
from flashpay.testing import ManualClock, sample_order

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
ORDER = sample_order()
OTHER_CONTENT = sample_order(quantity=3)
RESERVATION, OTHER = (Reservation(id="rsv_" + letter * 20, units={"gadget": 2}) for letter in "ab")
PAID = Approved(charge_id="ch_1")
BACK = Refunded(refund_id="re_1")


async def claim(ledger: Ledger, *, reopen: bool = False) -> Claimed:
    claim = await ledger.claim(ORDER, owner="worker", lease=LEASE, reopen=reopen, reservation=RESERVATION)
    assert isinstance(claim, Claimed)
    return claim


async def paid(ledger: Ledger) -> LedgerEntry:
    return (await ledger.record(await claim(ledger), PAID)).entry


async def cancelled(ledger: Ledger) -> LedgerEntry:
    """The entry of an order that the ledger has met."""
    entry = await ledger.cancel(ORDER.order_id)
    assert isinstance(entry, LedgerEntry)
    assert await ledger.get(ORDER.order_id) == entry
    return entry


async def test_an_order_that_nobody_has_met_gets_a_tombstone(ledger: Ledger, clock: ManualClock) -> None:
    tombstone = await ledger.cancel(ORDER.order_id)
    assert tombstone == Tombstone(order_id=ORDER.order_id, cancelled_at=clock())
    assert tombstone.status is OrderStatus.CANCELLED
    assert await ledger.find(ORDER.order_id) == tombstone
    assert await ledger.get(ORDER.order_id) is None
    clock.advance(SECOND)
    assert await ledger.cancel(ORDER.order_id) == tombstone


async def test_the_claim_that_meets_a_tombstone_gives_it_the_content(ledger: Ledger, clock: ManualClock) -> None:
    buried_at = clock()
    await ledger.cancel(ORDER.order_id)
    clock.advance(SECOND)
    answer = await ledger.claim(ORDER, owner="worker", lease=LEASE, reopen=True, reservation=RESERVATION)
    assert isinstance(answer, AlreadyTerminal)
    entry = answer.entry
    assert (entry.status, entry.attempt, entry.completed_at) == (OrderStatus.CANCELLED, 0, buried_at)
    assert (entry.order, entry.reservation, entry.lease_until) == (ORDER, RESERVATION, None)
    assert await ledger.get(ORDER.order_id) == await ledger.find(ORDER.order_id) == entry
    again = await ledger.claim(ORDER, owner="second", lease=LEASE, reservation=OTHER)
    assert again == answer
    assert await ledger.claim(OTHER_CONTENT, owner="third", lease=LEASE) == ContentMismatch(entry=entry)
    assert await ledger.cancel(ORDER.order_id) == entry


async def test_the_acceptance_that_meets_a_tombstone_gives_it_the_content(ledger: Ledger) -> None:
    await ledger.cancel(ORDER.order_id)
    answer = await ledger.accept(ORDER, reservation=RESERVATION)
    assert isinstance(answer, Accepted)
    assert not answer.first
    assert (answer.entry.status, answer.entry.reservation) == (OrderStatus.CANCELLED, RESERVATION)
    assert await ledger.accept(OTHER_CONTENT) == ContentMismatch(entry=answer.entry)


async def test_an_order_with_a_tombstone_is_not_failed(ledger: Ledger) -> None:
    await ledger.cancel(ORDER.order_id)
    entry = await ledger.fail(ORDER, reason="exhausted", reservation=RESERVATION)
    assert (entry.status, entry.reason, entry.reservation) == (OrderStatus.CANCELLED, None, RESERVATION)


async def test_an_accepted_order_is_cancelled_and_never_claimed(ledger: Ledger, clock: ManualClock) -> None:
    await ledger.accept(ORDER, reservation=RESERVATION)
    clock.advance(SECOND)
    entry = await cancelled(ledger)
    assert (entry.status, entry.completed_at, entry.updated_at) == (OrderStatus.CANCELLED, clock(), clock())
    answer = await ledger.claim(ORDER, owner="worker", lease=LEASE, reopen=True)
    assert answer == AlreadyTerminal(entry=entry)
    clock.advance(SECOND)
    assert await cancelled(ledger) == entry


@pytest.mark.parametrize("ended", [False, True])
async def test_an_order_that_was_claimed_is_left_alone_even_when_its_lease_has_ended(
    ledger: Ledger, clock: ManualClock, *, ended: bool
) -> None:
    taken = await claim(ledger)
    clock.advance(LEASE * 2 if ended else SECOND)
    entry = await cancelled(ledger)
    assert (entry.status, entry.lease_until) == (OrderStatus.PROCESSING, taken.lease_until)
    assert (await ledger.record(taken, PAID)).first


async def test_a_paid_order_is_refunded(ledger: Ledger, clock: ManualClock) -> None:
    before = await paid(ledger)
    clock.advance(SECOND)
    entry = await cancelled(ledger)
    assert (entry.status, entry.completed_at, entry.updated_at) == (OrderStatus.REFUNDING, None, clock())
    assert (entry.charge_id, entry.refund_id, entry.attempt) == (before.charge_id, None, 1)
    clock.advance(SECOND)
    assert await cancelled(ledger) == entry
    back = await ledger.refunded(ORDER.order_id, BACK)
    assert (back.status, back.refund_id, back.completed_at) == (OrderStatus.REFUNDED, "re_1", clock())
    clock.advance(SECOND)
    assert await ledger.refunded(ORDER.order_id, BACK) == back
    assert await cancelled(ledger) == back


async def test_the_refund_of_an_order_is_noted_before_its_end(ledger: Ledger, clock: ManualClock) -> None:
    await paid(ledger)
    decided = await cancelled(ledger)
    clock.advance(SECOND)
    noted = await ledger.note_refund(ORDER.order_id, BACK)
    assert noted == replace(decided, refund_id="re_1")
    assert noted == await ledger.note_refund(ORDER.order_id, BACK) == await cancelled(ledger)
    other = Refunded(refund_id="re_2")
    for told in (ledger.note_refund, ledger.refunded):
        with pytest.raises(ConflictingChargeError):
            await told(ORDER.order_id, other)
    assert await ledger.get(ORDER.order_id) == noted
    back = await ledger.refunded(ORDER.order_id, BACK)
    assert (back.status, back.refund_id, back.completed_at) == (OrderStatus.REFUNDED, "re_1", clock())
    assert await ledger.note_refund(ORDER.order_id, BACK) == back
    with pytest.raises(ConflictingChargeError):
        await ledger.note_refund(ORDER.order_id, other)


async def test_what_is_paid_back_is_not_claimed_and_knows_its_charge(ledger: Ledger, clock: ManualClock) -> None:
    taken = await claim(ledger)
    await ledger.record(taken, PAID)
    for step in (ledger.cancel(ORDER.order_id), ledger.refunded(ORDER.order_id, BACK)):
        entry = await step
        assert isinstance(entry, LedgerEntry)
        clock.advance(LEASE * 2)
        answer = await ledger.claim(ORDER, owner="second", lease=LEASE, reopen=True)
        assert answer == AlreadyTerminal(entry=entry)
        assert (await ledger.record(taken, PAID)).entry == entry
        assert await ledger.fail(ORDER, reason="exhausted") == entry
        with pytest.raises(ConflictingChargeError):
            await ledger.record(taken, Approved(charge_id="ch_2"))


async def test_a_declined_order_is_left_alone(ledger: Ledger) -> None:
    entry = (await ledger.record(await claim(ledger), Declined(reason="card_declined"))).entry
    assert await cancelled(ledger) == entry


async def test_a_failed_order_is_left_alone_and_can_be_redriven(ledger: Ledger) -> None:
    entry = await ledger.fail(ORDER, reason="exhausted", attempt=(await claim(ledger)).attempt)
    assert await cancelled(ledger) == entry
    assert (await claim(ledger, reopen=True)).reopened == 1


async def test_a_refund_that_nobody_decided_on_is_not_recorded(ledger: Ledger) -> None:
    for told in (ledger.note_refund, ledger.refunded):
        with pytest.raises(LedgerUnavailableError):
            await told(ORDER.order_id, BACK)
    entry = await paid(ledger)
    for told in (ledger.note_refund, ledger.refunded):
        with pytest.raises(ConflictingChargeError):
            await told(ORDER.order_id, BACK)
    assert await ledger.get(ORDER.order_id) == entry


async def test_two_refunds_of_one_order_are_a_conflict(ledger: Ledger) -> None:
    await paid(ledger)
    await cancelled(ledger)
    entry = await ledger.refunded(ORDER.order_id, BACK)
    with pytest.raises(ConflictingChargeError) as caught:
        await ledger.refunded(ORDER.order_id, Refunded(refund_id="re_2"))
    assert caught.value.reason == "conflicting_refund"
    assert await ledger.get(ORDER.order_id) == entry


@pytest.mark.parametrize("accepted", [False, True])
async def test_of_cancellations_and_claims_at_once_one_kind_wins(ledger: Ledger, *, accepted: bool) -> None:
    if accepted:
        await ledger.accept(ORDER)
    answers = await asyncio.gather(
        *(ledger.cancel(ORDER.order_id) for _ in range(3)),
        *(ledger.claim(ORDER, owner=f"worker {n}", lease=LEASE) for n in range(3)),
    )
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    claims = sum(isinstance(answer, Claimed) for answer in answers)
    said_cancelled = [a for a in answers[:3] if getattr(a, "status", None) is OrderStatus.CANCELLED]
    if entry.status is OrderStatus.CANCELLED:
        assert (claims, len(said_cancelled)) == (0, 3)
    else:
        assert (claims, len(said_cancelled)) == (1, 0)


async def test_only_what_is_being_refunded_is_found_as_unsettled(
    indexed_ledger: tuple[Ledger, UnsettledOrders], clock: ManualClock
) -> None:
    ledger, unsettled = indexed_ledger

    async def found() -> list[str]:
        clock.advance(SECOND)
        return [order_id async for order_id in unsettled.untouched_since(clock())]

    other = sample_order("called off at once")
    await ledger.cancel(other.order_id)
    assert await found() == []
    await ledger.claim(other, owner="worker", lease=LEASE)
    assert await found() == []
    await paid(ledger)
    assert await found() == []
    await ledger.cancel(ORDER.order_id)
    assert await found() == [ORDER.order_id]
    await ledger.note_refund(ORDER.order_id, BACK)
    assert await found() == [ORDER.order_id]
    await ledger.refunded(ORDER.order_id, BACK)
    assert await found() == []
