"""What every ledger promises, in memory and in DynamoDB, with and without lost replies."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import Order, OrderStatus
from flashpay import (
    AlreadyTerminal,
    Approved,
    Claim,
    Claimed,
    ConflictingChargeError,
    ContentMismatch,
    Declined,
    HeldElsewhere,
    Ledger,
    LedgerUnavailableError,
)
from flashpay.testing import START, ManualClock, sample_order

LEASE = timedelta(seconds=30)
ORDER = sample_order()
CHEAPER = sample_order(unit_price_minor=1)
OTHER_CONTENT = sample_order(quantity=3)
APPROVED = Approved(charge_id="ch_1")
DECLINED = Declined(reason="card_declined")


async def claim(ledger: Ledger, owner: str = "first", *, order: Order = ORDER) -> Claimed:
    taken = await ledger.claim(order, owner=owner, lease=LEASE)
    assert isinstance(taken, Claimed)
    return taken


async def test_a_new_order_is_claimed(ledger: Ledger) -> None:
    assert await ledger.claim(ORDER, owner="first", lease=LEASE) == Claimed(
        order=ORDER, attempt=1, owner="first", lease_until=START + LEASE
    )


async def test_an_unknown_order_has_no_entry(ledger: Ledger) -> None:
    assert await ledger.get(ORDER.order_id) is None


async def test_an_entry_shows_the_whole_claimed_order(ledger: Ledger) -> None:
    await claim(ledger)
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    assert entry.order == ORDER
    assert entry.fingerprint == ORDER.fingerprint
    assert (entry.status, entry.attempt, entry.owner) == (OrderStatus.PROCESSING, 1, "first")
    assert (entry.updated_at, entry.lease_until, entry.completed_at) == (START, START + LEASE, None)
    assert (entry.charge_id, entry.reason) == (None, None)


async def test_a_live_lease_keeps_others_out(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger)
    clock.advance(LEASE - timedelta(milliseconds=1))
    assert await ledger.claim(ORDER, owner="second", lease=LEASE) == HeldElsewhere(lease_until=START + LEASE)


async def test_an_ended_lease_is_taken_over(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger)
    clock.advance(LEASE)
    taken = await claim(ledger, "second")
    assert (taken.attempt, taken.owner, taken.lease_until) == (2, "second", START + 2 * LEASE)


async def test_the_same_owner_gets_its_own_live_claim_again(ledger: Ledger, clock: ManualClock) -> None:
    first = await claim(ledger)
    clock.advance(timedelta(seconds=1))
    assert await claim(ledger) == first


async def test_the_same_owner_takes_its_ended_lease_over(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger)
    clock.advance(LEASE)
    assert (await claim(ledger)).attempt == 2


async def test_of_many_owners_at_once_one_gets_the_claim(ledger: Ledger) -> None:
    claims = await asyncio.gather(*(ledger.claim(ORDER, owner=f"owner {n}", lease=LEASE) for n in range(8)))
    assert sorted(type(answer).__name__ for answer in claims) == ["Claimed"] + ["HeldElsewhere"] * 7


async def test_of_many_owners_at_once_one_takes_an_ended_lease_over(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger)
    clock.advance(LEASE)
    claims: list[Claim] = await asyncio.gather(
        *(ledger.claim(ORDER, owner=f"owner {n}", lease=LEASE) for n in range(8))
    )
    assert [answer.attempt for answer in claims if isinstance(answer, Claimed)] == [2]


async def test_the_first_claim_fixes_the_price(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger)
    clock.advance(LEASE)
    assert (await claim(ledger, "second", order=CHEAPER)).order == ORDER


@pytest.mark.parametrize("situation", ["under lease", "lease ended", "completed", "failed"])
async def test_another_content_under_the_same_id_changes_nothing(
    ledger: Ledger, clock: ManualClock, situation: str
) -> None:
    taken = await claim(ledger)
    if situation == "completed":
        await ledger.record(taken, APPROVED)
    if situation != "under lease":
        clock.advance(LEASE)
    if situation == "failed":
        await ledger.fail(ORDER, reason="too_many_receives")
    before = await ledger.get(ORDER.order_id)
    assert before is not None
    assert await ledger.claim(OTHER_CONTENT, owner="second", lease=LEASE) == ContentMismatch(entry=before)
    assert await ledger.fail(OTHER_CONTENT, reason="other") == before
    assert await ledger.get(ORDER.order_id) == before


async def test_an_approved_charge_completes_the_order(ledger: Ledger, clock: ManualClock) -> None:
    taken = await claim(ledger)
    clock.advance(timedelta(seconds=3))
    recorded = await ledger.record(taken, APPROVED)
    entry = recorded.entry
    assert recorded.first
    assert (entry.status, entry.charge_id, entry.reason) == (OrderStatus.COMPLETED, "ch_1", None)
    assert (entry.completed_at, entry.updated_at) == (clock.now, clock.now)
    assert (entry.lease_until, entry.owner, entry.order) == (None, "first", ORDER)
    assert await ledger.get(ORDER.order_id) == entry


async def test_a_decline_is_recorded_with_its_reason(ledger: Ledger) -> None:
    entry = (await ledger.record(await claim(ledger), DECLINED)).entry
    assert (entry.status, entry.charge_id, entry.reason) == (OrderStatus.DECLINED, None, "card_declined")
    assert entry.completed_at == START


@pytest.mark.parametrize("result", [APPROVED, DECLINED])
async def test_a_terminal_order_answers_every_claim(
    ledger: Ledger, clock: ManualClock, result: Approved | Declined
) -> None:
    entry = (await ledger.record(await claim(ledger), result)).entry
    clock.advance(2 * LEASE)
    assert await ledger.claim(CHEAPER, owner="second", lease=LEASE) == AlreadyTerminal(entry=entry)
    assert await ledger.get(ORDER.order_id) == entry


@pytest.mark.parametrize("result", [APPROVED, DECLINED])
async def test_recording_the_same_answer_again_changes_nothing(
    ledger: Ledger, clock: ManualClock, result: Approved | Declined
) -> None:
    taken = await claim(ledger)
    first = await ledger.record(taken, result)
    clock.advance(timedelta(seconds=1))
    assert await ledger.record(taken, result) == first


async def test_an_owner_whose_lease_was_taken_over_may_still_record(ledger: Ledger, clock: ManualClock) -> None:
    slow = await claim(ledger, "slow")
    clock.advance(LEASE)
    quick = await claim(ledger, "quick")
    late = await ledger.record(slow, APPROVED)
    again = await ledger.record(quick, APPROVED)
    assert (late.first, again.first) == (True, False)
    assert (late.entry.owner, late.entry.attempt) == ("slow", 2)
    assert again.entry == late.entry


@pytest.mark.parametrize(
    ("recorded", "other"),
    [(APPROVED, Approved(charge_id="ch_2")), (APPROVED, DECLINED), (DECLINED, APPROVED)],
)
async def test_a_different_answer_never_replaces_the_recorded_one(
    ledger: Ledger, recorded: Approved | Declined, other: Approved | Declined
) -> None:
    taken = await claim(ledger)
    entry = (await ledger.record(taken, recorded)).entry
    with pytest.raises(ConflictingChargeError) as caught:
        await ledger.record(taken, other)
    assert (caught.value.retryable, caught.value.reason) == (False, "conflicting_charge")
    assert await ledger.get(ORDER.order_id) == entry


async def test_an_order_that_nobody_claimed_cannot_be_recorded(ledger: Ledger) -> None:
    stranger = Claimed(order=ORDER, attempt=1, owner="first", lease_until=START + LEASE)
    with pytest.raises(LedgerUnavailableError) as caught:
        await ledger.record(stranger, APPROVED)
    assert caught.value.reason == "entry_missing"
    assert await ledger.get(ORDER.order_id) is None


async def test_a_released_order_is_free_at_once(ledger: Ledger, clock: ManualClock) -> None:
    taken = await claim(ledger)
    clock.advance(timedelta(seconds=1))
    await ledger.release(taken)
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    assert (entry.lease_until, entry.updated_at) == (clock.now, clock.now)
    assert (await claim(ledger, "second")).attempt == 2


async def test_a_late_release_does_not_end_the_lease_of_the_next_owner(ledger: Ledger, clock: ManualClock) -> None:
    late = await claim(ledger, "late")
    clock.advance(LEASE)
    next_owner = await claim(ledger, "next")
    await ledger.release(late)
    assert await ledger.claim(ORDER, owner="third", lease=LEASE) == HeldElsewhere(lease_until=next_owner.lease_until)


async def test_a_release_of_an_earlier_attempt_of_the_same_owner_does_nothing(
    ledger: Ledger, clock: ManualClock
) -> None:
    early = await claim(ledger)
    clock.advance(LEASE)
    later = await claim(ledger)
    await ledger.release(early)
    assert await ledger.claim(ORDER, owner="second", lease=LEASE) == HeldElsewhere(lease_until=later.lease_until)


async def test_a_release_leaves_a_settled_order_alone(ledger: Ledger) -> None:
    taken = await claim(ledger)
    entry = (await ledger.record(taken, APPROVED)).entry
    await ledger.release(taken)
    assert await ledger.get(ORDER.order_id) == entry


async def test_a_release_of_an_unknown_order_creates_nothing(ledger: Ledger) -> None:
    await ledger.release(Claimed(order=ORDER, attempt=1, owner="first", lease_until=START + LEASE))
    assert await ledger.get(ORDER.order_id) is None


async def test_an_order_that_was_never_claimed_can_be_given_up(ledger: Ledger) -> None:
    entry = await ledger.fail(ORDER, reason="too_many_receives")
    assert (entry.status, entry.reason, entry.attempt) == (OrderStatus.FAILED, "too_many_receives", 0)
    assert (entry.order, entry.completed_at) == (ORDER, START)
    assert (entry.owner, entry.lease_until, entry.reservation) == (None, None, None)
    assert await ledger.get(ORDER.order_id) == entry


async def test_an_order_whose_lease_ended_can_be_given_up(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger)
    clock.advance(LEASE)
    entry = await ledger.fail(ORDER, reason="too_many_receives")
    assert (entry.status, entry.reason, entry.attempt) == (OrderStatus.FAILED, "too_many_receives", 1)
    assert (entry.lease_until, entry.completed_at) == (None, clock.now)
    assert await ledger.get(ORDER.order_id) == entry


async def test_an_order_under_a_live_lease_is_not_given_up(ledger: Ledger) -> None:
    await claim(ledger)
    entry = await ledger.fail(ORDER, reason="too_many_receives")
    assert entry.status is OrderStatus.PROCESSING
    assert await ledger.get(ORDER.order_id) == entry


@pytest.mark.parametrize("result", [APPROVED, DECLINED])
async def test_a_settled_order_is_never_given_up(ledger: Ledger, result: Approved | Declined) -> None:
    settled = (await ledger.record(await claim(ledger), result)).entry
    assert await ledger.fail(ORDER, reason="too_many_receives") == settled
    assert await ledger.get(ORDER.order_id) == settled


async def test_giving_up_twice_keeps_the_first_reason(ledger: Ledger, clock: ManualClock) -> None:
    first = await ledger.fail(ORDER, reason="too_many_receives")
    clock.advance(timedelta(seconds=1))
    assert await ledger.fail(ORDER, reason="other") == first


@pytest.mark.parametrize("claimed_before", [True, False])
async def test_a_redriven_order_is_claimed_again_at_its_first_price(
    ledger: Ledger, clock: ManualClock, *, claimed_before: bool
) -> None:
    if claimed_before:
        await claim(ledger)
        clock.advance(LEASE)
    await ledger.fail(ORDER, reason="too_many_receives")
    taken = await ledger.claim(CHEAPER, owner="redriven", lease=LEASE, reopen=True)
    assert isinstance(taken, Claimed)
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    assert taken.order == ORDER
    assert taken.attempt == (2 if claimed_before else 1)
    assert (entry.status, entry.reason, entry.completed_at) == (OrderStatus.PROCESSING, None, None)


async def test_an_attempt_gives_up_under_its_own_lease_but_not_over_a_later_claim(
    ledger: Ledger, clock: ManualClock
) -> None:
    first = await claim(ledger)
    assert (await ledger.fail(ORDER, reason="exhausted")).status is OrderStatus.PROCESSING
    clock.advance(LEASE)
    second = await claim(ledger, "second")
    clock.advance(LEASE)
    stale = await ledger.fail(ORDER, reason="exhausted", attempt=first.attempt)
    assert stale.status is OrderStatus.PROCESSING
    assert (await ledger.fail(ORDER, reason="exhausted", attempt=second.attempt)).status is OrderStatus.FAILED


async def test_without_a_redrive_a_failed_order_stays_failed(ledger: Ledger) -> None:
    failed = await ledger.fail(ORDER, reason="too_many_receives")
    assert await ledger.claim(ORDER, owner="repeat", lease=LEASE) == AlreadyTerminal(entry=failed)
    assert await ledger.get(ORDER.order_id) == failed


async def test_a_redrive_opens_no_other_terminal_order(ledger: Ledger) -> None:
    recorded = await ledger.record(await claim(ledger), APPROVED)
    again = await ledger.claim(ORDER, owner="redriven", lease=LEASE, reopen=True)
    assert again == AlreadyTerminal(entry=recorded.entry)


async def test_a_definite_answer_beats_giving_up(ledger: Ledger, clock: ManualClock) -> None:
    stalled = await claim(ledger)
    clock.advance(LEASE)
    await ledger.fail(ORDER, reason="too_many_receives")
    recorded = await ledger.record(stalled, APPROVED)
    assert recorded.first
    assert (recorded.entry.status, recorded.entry.reason) == (OrderStatus.COMPLETED, None)


async def test_moments_are_kept_to_the_millisecond(ledger: Ledger, clock: ManualClock) -> None:
    clock.advance(timedelta(microseconds=1_999))
    order = sample_order(created_at=START + timedelta(microseconds=2_001))
    taken = await claim(ledger, order=order)
    entry = await ledger.get(order.order_id)
    assert entry is not None
    assert entry.updated_at == START + timedelta(milliseconds=1)
    assert taken.lease_until == START + LEASE + timedelta(milliseconds=1)
    assert entry.created_at == taken.order.created_at == START + timedelta(milliseconds=2)


async def test_orders_do_not_touch_one_another(ledger: Ledger) -> None:
    await ledger.record(await claim(ledger), APPROVED)
    other = sample_order("other")
    assert (await claim(ledger, order=other)).attempt == 1
    entry = await ledger.get(other.order_id)
    assert entry is not None
    assert entry.status is OrderStatus.PROCESSING
