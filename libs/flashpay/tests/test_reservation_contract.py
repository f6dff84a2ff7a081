"""What every ledger promises of an order's reservation, and of calling a failed order sold out."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import Order, OrderStatus, Reservation
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


async def test_an_acceptance_keeps_the_reservation_for_a_claim_that_brings_none(ledger: Ledger) -> None:
    accepted = await ledger.accept(ORDER, reservation=FIRST)
    assert isinstance(accepted, Accepted)
    assert accepted.entry.reservation == FIRST
    await claim(ledger, "first", None)
    assert await kept(ledger) == FIRST


async def test_the_reservation_of_an_acceptance_gives_way_to_that_of_the_first_claim(
    ledger: Ledger, clock: ManualClock
) -> None:
    await ledger.accept(ORDER, reservation=FIRST)
    await claim(ledger, "first", SECOND)
    assert await kept(ledger) == SECOND
    clock.advance(LEASE)
    await claim(ledger, "second", FIRST)
    assert await kept(ledger) == SECOND


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


async def fail(ledger: Ledger, order: Order = ORDER) -> None:
    taken = await claim(ledger, "first", FIRST)
    await ledger.fail(order, reason="exhausted", attempt=taken.attempt)


async def test_a_failed_order_is_sold_out_for_ever(ledger: Ledger, clock: ManualClock) -> None:
    await fail(ledger)
    clock.advance(timedelta(seconds=1))
    entry = await ledger.sell_out(ORDER)
    assert (entry.status, entry.reason, entry.reservation) == (OrderStatus.SOLD_OUT, None, FIRST)
    assert (entry.completed_at, entry.updated_at) == (clock.now, clock.now)
    clock.advance(LEASE)
    assert await ledger.sell_out(ORDER) == entry
    again = await ledger.claim(ORDER, owner="redriven", lease=LEASE, reopen=True, reservation=FIRST)
    assert again == AlreadyTerminal(entry=entry)
    assert await ledger.fail(ORDER, reason="exhausted") == entry
    assert await ledger.get(ORDER.order_id) == entry


@pytest.mark.parametrize("situation", ["pending", "processing", "completed", "of another content"])
async def test_no_other_order_is_sold_out(ledger: Ledger, situation: str) -> None:
    order = ORDER
    if situation == "pending":
        await ledger.accept(ORDER, reservation=FIRST)
    elif situation == "of another content":
        await fail(ledger)
        order = OTHER_CONTENT
    else:
        taken = await claim(ledger, "first", FIRST)
        if situation == "completed":
            await ledger.record(taken, Approved(charge_id="ch_1"))
    before = await ledger.get(ORDER.order_id)
    assert await ledger.sell_out(order) == before
    assert await ledger.get(ORDER.order_id) == before


async def test_an_order_that_nobody_knows_cannot_be_sold_out(ledger: Ledger) -> None:
    with pytest.raises(LedgerUnavailableError) as caught:
        await ledger.sell_out(ORDER)
    assert caught.value.reason == "entry_missing"


async def test_a_sale_and_a_redrive_at_once_leave_one_of_both(ledger: Ledger) -> None:
    await fail(ledger)
    sold_out, claimed = await asyncio.gather(
        ledger.sell_out(ORDER), ledger.claim(ORDER, owner="redriven", lease=LEASE, reopen=True, reservation=FIRST)
    )
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    taken = isinstance(claimed, Claimed)
    assert entry.status is (OrderStatus.PROCESSING if taken else OrderStatus.SOLD_OUT)
    assert (sold_out.status is OrderStatus.SOLD_OUT) is not taken
