"""What every ledger promises of orders that are written down before they are published."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import Accepted, AlreadyTerminal, Approved, Claimed, ContentMismatch, Declined, HeldElsewhere, Ledger
from flashpay.testing import START, ManualClock, sample_order

LEASE = timedelta(seconds=30)
ORDER = sample_order()
CHEAPER = sample_order(unit_price_minor=1)
OTHER_CONTENT = sample_order(quantity=3)
APPROVED = Approved(charge_id="ch_1")
DECLINED = Declined(reason="card_declined")


async def test_a_new_order_is_accepted_as_pending(ledger: Ledger) -> None:
    accepted = await ledger.accept(ORDER)
    assert isinstance(accepted, Accepted)
    assert accepted.first
    entry = accepted.entry
    assert (entry.status, entry.attempt, entry.lease_until, entry.completed_at) == (OrderStatus.PENDING, 0, None, None)
    assert (entry.order, entry.fingerprint, entry.updated_at) == (ORDER, ORDER.fingerprint, START)
    assert await ledger.get(ORDER.order_id) == entry


async def test_accepting_again_returns_the_first_acceptance_with_its_prices(ledger: Ledger, clock: ManualClock) -> None:
    first = await ledger.accept(ORDER)
    clock.advance(timedelta(days=30))
    assert isinstance(first, Accepted)
    assert await ledger.accept(CHEAPER) == Accepted(entry=first.entry, first=False)
    assert await ledger.get(ORDER.order_id) == first.entry


async def test_another_content_is_told_apart_and_changes_nothing(ledger: Ledger) -> None:
    first = await ledger.accept(ORDER)
    assert await ledger.accept(OTHER_CONTENT) == ContentMismatch(entry=first.entry)
    assert await ledger.get(ORDER.order_id) == first.entry


async def test_of_many_at_once_one_is_first_and_one_content_wins(ledger: Ledger) -> None:
    orders = [ORDER, OTHER_CONTENT] * 4
    answers = await asyncio.gather(*(ledger.accept(order) for order in orders))
    accepted = [answer for answer in answers if isinstance(answer, Accepted)]
    assert len(accepted) == 4
    assert sum(answer.first for answer in accepted) == 1
    assert len({answer.entry.fingerprint for answer in answers}) == 1


async def test_an_accepted_order_is_claimed_at_the_price_of_its_acceptance(ledger: Ledger, clock: ManualClock) -> None:
    await ledger.accept(ORDER)
    clock.advance(timedelta(seconds=1))
    now = START + timedelta(seconds=1)
    taken = await ledger.claim(CHEAPER, owner="first", lease=LEASE)
    assert taken == Claimed(order=ORDER, attempt=1, owner="first", lease_until=now + LEASE)
    assert await ledger.claim(ORDER, owner="second", lease=LEASE) == HeldElsewhere(lease_until=now + LEASE)
    recorded = await ledger.record(taken, APPROVED)
    assert recorded.first
    assert (recorded.entry.status, recorded.entry.order) == (OrderStatus.COMPLETED, ORDER)


async def test_of_many_owners_at_once_one_claims_an_accepted_order(ledger: Ledger) -> None:
    await ledger.accept(ORDER)
    claims = await asyncio.gather(*(ledger.claim(ORDER, owner=f"owner {n}", lease=LEASE) for n in range(8)))
    assert sorted(type(answer).__name__ for answer in claims) == ["Claimed"] + ["HeldElsewhere"] * 7


async def test_a_claim_of_another_content_leaves_the_accepted_order_alone(ledger: Ledger) -> None:
    first = await ledger.accept(ORDER)
    assert await ledger.claim(OTHER_CONTENT, owner="first", lease=LEASE) == ContentMismatch(entry=first.entry)
    assert await ledger.get(ORDER.order_id) == first.entry


async def test_an_acceptance_after_the_claim_does_not_disturb_it(ledger: Ledger) -> None:
    taken = await ledger.claim(ORDER, owner="first", lease=LEASE)
    before = await ledger.get(ORDER.order_id)
    assert before is not None
    assert await ledger.accept(CHEAPER) == Accepted(entry=before, first=False)
    assert await ledger.claim(ORDER, owner="first", lease=LEASE) == taken


@pytest.mark.parametrize("result", [APPROVED, DECLINED])
async def test_an_acceptance_never_leaves_a_terminal_status(ledger: Ledger, result: Approved | Declined) -> None:
    taken = await ledger.claim(ORDER, owner="first", lease=LEASE)
    assert isinstance(taken, Claimed)
    settled = (await ledger.record(taken, result)).entry
    assert await ledger.accept(ORDER) == Accepted(entry=settled, first=False)
    assert await ledger.claim(ORDER, owner="second", lease=LEASE) == AlreadyTerminal(entry=settled)


async def test_an_acceptance_does_not_open_a_failed_order_again(ledger: Ledger) -> None:
    await ledger.accept(ORDER)
    failed = await ledger.fail(ORDER, reason="too_many_receives")
    assert (failed.status, failed.reason, failed.order) == (OrderStatus.FAILED, "too_many_receives", ORDER)
    assert await ledger.accept(ORDER) == Accepted(entry=failed, first=False)
    assert await ledger.get(ORDER.order_id) == failed


async def test_an_order_of_another_content_cannot_fail_the_accepted_one(ledger: Ledger) -> None:
    first = await ledger.accept(ORDER)
    assert await ledger.fail(OTHER_CONTENT, reason="other") == first.entry
