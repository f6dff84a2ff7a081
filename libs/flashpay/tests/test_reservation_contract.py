"""What every ledger promises of an order's reservation, of reopening an order, and of calling it sold out."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import OrderStatus, Reservation
from flashpay import Accepted, AlreadyTerminal, Approved, Claimed, ContentMismatch, Ledger, LedgerUnavailableError
from flashpay.testing import ManualClock, sample_order

LEASE = timedelta(seconds=30)
ORDER = sample_order()
OTHER_CONTENT = sample_order(quantity=3)
FIRST, SECOND, THIRD = (Reservation(id="rsv_" + letter * 20, units={"gadget": 2}) for letter in "abc")


async def kept(ledger: Ledger) -> Reservation | None:
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    return entry.reservation


async def claim(ledger: Ledger, owner: str, reservation: Reservation | None, *, reopen: bool = False) -> Claimed:
    taken = await ledger.claim(ORDER, owner=owner, lease=LEASE, reopen=reopen, reservation=reservation)
    assert isinstance(taken, Claimed)
    return taken


async def test_the_first_claim_fixes_the_reservation(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger, "first", FIRST)
    assert await kept(ledger) == FIRST
    clock.advance(LEASE)
    taken = await claim(ledger, "second", SECOND)
    assert await kept(ledger) == FIRST
    recorded = await ledger.record(taken, Approved(charge_id="ch_1"))
    assert recorded.entry.reservation == FIRST
    assert await ledger.claim(ORDER, owner="third", lease=LEASE, reservation=THIRD) == AlreadyTerminal(
        entry=recorded.entry
    )


async def test_a_claim_without_a_reservation_fixes_that_there_is_none(ledger: Ledger, clock: ManualClock) -> None:
    await claim(ledger, "first", None)
    clock.advance(LEASE)
    await claim(ledger, "second", SECOND)
    assert await kept(ledger) is None


@pytest.mark.parametrize("accepted", [FIRST, None])
async def test_a_claim_changes_nothing_of_the_reservation_that_an_acceptance_fixed(
    ledger: Ledger, clock: ManualClock, accepted: Reservation | None
) -> None:
    acceptance = await ledger.accept(ORDER, reservation=accepted)
    assert isinstance(acceptance, Accepted)
    assert acceptance.entry.reservation == accepted
    for owner in ("first", "second"):
        assert (await claim(ledger, owner, SECOND)).reservation == accepted
        assert await kept(ledger) == accepted
        clock.advance(LEASE)


async def test_a_second_acceptance_changes_no_reservation(ledger: Ledger) -> None:
    first = await ledger.accept(ORDER, reservation=FIRST)
    assert await ledger.accept(ORDER, reservation=SECOND) == Accepted(entry=first.entry, first=False)
    assert await ledger.accept(OTHER_CONTENT, reservation=SECOND) == ContentMismatch(entry=first.entry)
    assert await kept(ledger) == FIRST


async def test_of_many_claims_at_once_the_winner_fixes_its_own_reservation(ledger: Ledger) -> None:
    reservations = [FIRST, SECOND, THIRD]
    claims = await asyncio.gather(
        *(ledger.claim(ORDER, owner=one.id, lease=LEASE, reservation=one) for one in reservations)
    )
    [winner] = [answer for answer in claims if isinstance(answer, Claimed)]
    own = await kept(ledger)
    assert own is not None
    assert own.id == winner.owner


async def test_an_order_that_is_failed_before_any_claim_keeps_its_reservation(ledger: Ledger) -> None:
    failed = await ledger.fail(ORDER, reason="exhausted", reservation=FIRST)
    assert failed.reservation == FIRST
    assert (await ledger.fail(ORDER, reason="exhausted", reservation=SECOND)).reservation == FIRST
    await claim(ledger, "redriven", SECOND, reopen=True)
    assert await kept(ledger) == FIRST


async def test_every_reopening_is_counted_and_nothing_else(ledger: Ledger, clock: ManualClock) -> None:
    await ledger.accept(ORDER, reservation=FIRST)
    for reopened in range(3):
        taken = await claim(ledger, f"claims {reopened}", None, reopen=True)
        assert (taken.reopened, taken.reservation) == (reopened, FIRST)
        clock.advance(LEASE)
        again = await claim(ledger, f"takes over {reopened}", None, reopen=True)
        assert again.reopened == reopened
        failed = await ledger.fail(ORDER, reason="exhausted", attempt=again.attempt)
        assert failed.reopened == reopened


async def test_of_two_redrives_at_once_one_is_counted(ledger: Ledger) -> None:
    await ledger.fail(ORDER, reason="exhausted", reservation=FIRST)
    claims = await asyncio.gather(
        *(ledger.claim(ORDER, owner=owner, lease=LEASE, reopen=True) for owner in ("left", "right"))
    )
    assert [one.reopened for one in claims if isinstance(one, Claimed)] == [1]
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    assert entry.reopened == 1


async def reopened_claim(ledger: Ledger) -> Claimed:
    await ledger.fail(ORDER, reason="exhausted", reservation=FIRST)
    return await claim(ledger, "redriven", FIRST, reopen=True)


async def test_a_reopened_order_is_sold_out_for_ever(ledger: Ledger, clock: ManualClock) -> None:
    taken = await reopened_claim(ledger)
    clock.advance(timedelta(seconds=1))
    entry = await ledger.sell_out(taken)
    assert (entry.status, entry.reason, entry.reservation) == (OrderStatus.SOLD_OUT, None, FIRST)
    assert (entry.completed_at, entry.updated_at, entry.lease_until) == (clock.now, clock.now, None)
    clock.advance(LEASE)
    assert await ledger.sell_out(taken) == entry
    again = await ledger.claim(ORDER, owner="redriven", lease=LEASE, reopen=True, reservation=FIRST)
    assert again == AlreadyTerminal(entry=entry)
    assert await ledger.fail(ORDER, reason="exhausted") == entry
    assert await ledger.get(ORDER.order_id) == entry


@pytest.mark.parametrize("situation", ["taken over", "completed", "failed"])
async def test_an_order_that_moved_on_is_not_sold_out(ledger: Ledger, clock: ManualClock, situation: str) -> None:
    taken = await reopened_claim(ledger)
    if situation == "completed":
        await ledger.record(taken, Approved(charge_id="ch_1"))
    elif situation == "failed":
        await ledger.fail(ORDER, reason="exhausted", attempt=taken.attempt)
    else:
        clock.advance(LEASE)
        await claim(ledger, "second", FIRST)
    before = await ledger.get(ORDER.order_id)
    assert await ledger.sell_out(taken) == before
    assert await ledger.get(ORDER.order_id) == before


async def test_an_order_that_nobody_knows_cannot_be_sold_out(ledger: Ledger, clock: ManualClock) -> None:
    stranger = Claimed(order=ORDER, attempt=1, owner="first", lease_until=clock.now + LEASE)
    with pytest.raises(LedgerUnavailableError) as caught:
        await ledger.sell_out(stranger)
    assert caught.value.reason == "entry_missing"
    assert await ledger.get(ORDER.order_id) is None
