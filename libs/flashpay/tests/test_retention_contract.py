"""What is left to do with an order that has ended; the memory and DynamoDB must both hold to it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from flashpay import Approved, Claimed, Declined, Ledger, LedgerEntry, Refunded, Retention, Tombstone
from flashpay.testing import ManualClock, sample_order
from flashpay.unsettled import UnsettledOrders

LEASE = timedelta(seconds=30)
KEEP = timedelta(days=30)
ORDER = sample_order()
TOLD = Retention(announced=True, keep=KEEP)
UNTOLD = Retention(keep=KEEP)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A ledger, what finds its unsettled orders, and their clock."""

    ledger: Ledger
    unsettled: UnsettledOrders
    clock: ManualClock

    async def claim(self, *, reopen: bool = False) -> Claimed:
        claim = await self.ledger.claim(ORDER, owner="worker", lease=LEASE, reopen=reopen)
        assert isinstance(claim, Claimed)
        return claim

    async def entry(self) -> LedgerEntry:
        entry = await self.ledger.get(ORDER.order_id)
        assert entry is not None
        return entry

    async def is_found(self) -> bool:
        self.clock.advance(timedelta(seconds=1))
        return [order_id async for order_id in self.unsettled.untouched_since(self.clock())] == [ORDER.order_id]

    @property
    def kept_until(self) -> datetime:
        return (self.clock() + KEEP).replace(microsecond=0)


Open = Callable[[Retention], Subject]


@pytest.fixture
def opened(ledger_of: Callable[[Retention], tuple[Ledger, UnsettledOrders]], clock: ManualClock) -> Open:
    def of(retention: Retention) -> Subject:
        ledger, unsettled = ledger_of(retention)
        return Subject(ledger=ledger, unsettled=unsettled, clock=clock)

    return of


async def completed(subject: Subject) -> object:
    return await subject.ledger.record(await subject.claim(), Approved(charge_id="ch"))


async def declined(subject: Subject) -> object:
    return await subject.ledger.record(await subject.claim(), Declined(reason="no"))


async def sold_out(subject: Subject) -> object:
    return await subject.ledger.sell_out(await subject.claim())


async def failed(subject: Subject) -> object:
    return await subject.ledger.fail(ORDER, reason="other", attempt=(await subject.claim()).attempt)


async def failed_unclaimed(subject: Subject) -> object:
    return await subject.ledger.fail(ORDER, reason="other")


async def cancelled(subject: Subject) -> object:
    await subject.ledger.accept(ORDER)
    return await subject.ledger.cancel(ORDER.order_id)


async def cancelled_unmet(subject: Subject) -> object:
    await subject.ledger.cancel(ORDER.order_id)
    return await subject.ledger.claim(ORDER, owner="worker", lease=LEASE)


async def refunded(subject: Subject) -> object:
    await completed(subject)
    await subject.ledger.told(await subject.entry())
    await subject.ledger.cancel(ORDER.order_id)
    entry = await subject.entry()
    assert (entry.event_owed, entry.expires_at) == (False, None), "what is being paid back is not forgotten"
    return await subject.ledger.refunded(ORDER.order_id, Refunded(refund_id="re"))


every_end = pytest.mark.parametrize(
    "end", [completed, declined, sold_out, failed, failed_unclaimed, cancelled, cancelled_unmet, refunded]
)
End = Callable[[Subject], Awaitable[object]]


@every_end
async def test_an_end_is_owed_and_found_until_it_is_told_and_only_then_expires(opened: Open, end: End) -> None:
    subject = opened(TOLD)
    await end(subject)
    entry = await subject.entry()
    assert (entry.event_owed, entry.expires_at) == (True, None)
    assert await subject.is_found()
    await subject.ledger.told(entry)
    entry = await subject.entry()
    assert (entry.event_owed, entry.expires_at) == (False, subject.kept_until)
    assert not await subject.is_found()


@every_end
async def test_an_end_that_nobody_is_told_expires_from_then_on(opened: Open, end: End) -> None:
    subject = opened(UNTOLD)
    await end(subject)
    entry = await subject.entry()
    assert (entry.event_owed, entry.expires_at) == (False, subject.kept_until)
    assert not await subject.is_found()


@every_end
async def test_an_order_is_kept_for_ever_unless_it_is_told_otherwise(opened: Open, end: End) -> None:
    subject = opened(Retention(announced=True))
    await end(subject)
    await subject.ledger.told(await subject.entry())
    assert (await subject.entry()).expires_at is None
    assert not await subject.is_found()


async def test_what_has_not_ended_neither_expires_nor_is_owed(opened: Open) -> None:
    subject = opened(UNTOLD)
    await subject.ledger.accept(ORDER)
    pending = await subject.entry()
    await subject.claim()
    processing = await subject.entry()
    assert {(entry.event_owed, entry.expires_at) for entry in (pending, processing)} == {(False, None)}


@pytest.mark.parametrize("retention", [TOLD, UNTOLD])
async def test_an_order_that_is_opened_again_does_not_expire(opened: Open, retention: Retention) -> None:
    subject = opened(retention)
    await failed(subject)
    await subject.ledger.told(await subject.entry())
    await subject.claim(reopen=True)
    assert (await subject.entry()).expires_at is None
    assert await subject.is_found()


async def test_a_late_answer_to_an_order_whose_failure_was_told_is_owed_again(opened: Open) -> None:
    subject = opened(TOLD)
    claim = await subject.claim()
    await subject.ledger.fail(ORDER, reason="other", attempt=claim.attempt)
    await subject.ledger.told(await subject.entry())
    await subject.ledger.record(claim, Approved(charge_id="ch"))
    entry = await subject.entry()
    assert (entry.event_owed, entry.expires_at) == (True, None)


async def test_telling_of_an_end_that_is_over_leaves_the_next_one_owed(opened: Open) -> None:
    subject = opened(TOLD)
    await failed(subject)
    first = await subject.entry()
    again = await subject.claim(reopen=True)
    await subject.ledger.told(first)
    assert await subject.is_found(), "it is processing"
    await subject.ledger.fail(ORDER, reason="other", attempt=again.attempt)
    await subject.ledger.told(first)
    assert (await subject.entry()).event_owed


async def test_an_end_may_be_told_twice_and_an_order_that_is_gone_not_at_all(opened: Open) -> None:
    subject = opened(TOLD)
    await completed(subject)
    entry = await subject.entry()
    for _ in range(2):
        await subject.ledger.told(entry)
    assert not (await subject.entry()).event_owed
    gone = replace(entry, order_id="ord_" + "z" * 40)
    await subject.ledger.told(gone)
    assert await subject.ledger.get(gone.order_id) is None


@pytest.mark.parametrize(("retention", "kept_for"), [(TOLD, KEEP), (UNTOLD, KEEP), (Retention(announced=True), None)])
async def test_a_tombstone_that_nothing_comes_to_expires_like_an_end(
    opened: Open, retention: Retention, kept_for: timedelta | None
) -> None:
    subject = opened(retention)
    tombstone = await subject.ledger.cancel(ORDER.order_id)
    assert isinstance(tombstone, Tombstone)
    assert tombstone.expires_at == (None if kept_for is None else subject.kept_until)
    assert not await subject.is_found()
    assert await subject.ledger.find(ORDER.order_id) == tombstone
