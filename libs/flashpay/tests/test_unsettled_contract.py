"""Which orders are found that have not come to their end; the memory and the index must both hold to it."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from flashpay import Approved, Claimed, Declined, Ledger
from flashpay.testing import ManualClock, sample_order
from flashpay.unsettled import DynamoUnsettled, UnsettledOrders

LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
ORDER = sample_order()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A ledger, what finds its unsettled orders, and their clock."""

    ledger: Ledger
    unsettled: UnsettledOrders
    clock: ManualClock

    async def found(self, *, ago: timedelta = timedelta(0)) -> list[str]:
        """What was not touched for so long, a moment from now."""
        self.clock.advance(SECOND)
        return sorted([order_id async for order_id in self.unsettled.untouched_since(self.clock() - ago)])

    async def claim(self, *, reopen: bool = False) -> Claimed:
        claim = await self.ledger.claim(ORDER, owner="worker", lease=LEASE, reopen=reopen)
        assert isinstance(claim, Claimed)
        return claim


@pytest.fixture
def subject(indexed_ledger: tuple[Ledger, UnsettledOrders], clock: ManualClock) -> Subject:
    ledger, unsettled = indexed_ledger
    return Subject(ledger=ledger, unsettled=unsettled, clock=clock)


async def test_an_order_is_found_from_its_acceptance_to_its_end(subject: Subject) -> None:
    await subject.ledger.accept(ORDER)
    assert await subject.found() == [ORDER.order_id]
    claim = await subject.claim()
    assert await subject.found() == [ORDER.order_id]
    await subject.ledger.record(claim, Approved(charge_id="ch"))
    assert await subject.found() == []


async def test_an_order_that_is_touched_rests_anew_and_is_otherwise_the_same(subject: Subject) -> None:
    await subject.ledger.accept(ORDER)
    before = await subject.ledger.get(ORDER.order_id)
    assert before is not None
    subject.clock.advance(10 * SECOND)
    assert await subject.ledger.touch(before)
    assert await subject.ledger.get(ORDER.order_id) == replace(before, updated_at=subject.clock())
    assert await subject.found(ago=5 * SECOND) == []
    assert await subject.found() == [ORDER.order_id]
    await subject.claim()
    claimed = await subject.ledger.get(ORDER.order_id)
    assert not await subject.ledger.touch(before)
    assert await subject.ledger.get(ORDER.order_id) == claimed


async def test_an_order_that_was_claimed_first_is_found(subject: Subject) -> None:
    await subject.claim()
    assert await subject.found() == [ORDER.order_id]


async def test_a_declined_order_is_not_found(subject: Subject) -> None:
    await subject.ledger.record(await subject.claim(), Declined(reason="no"))
    assert await subject.found() == []


async def test_a_sold_out_order_is_not_found(subject: Subject) -> None:
    await subject.ledger.sell_out(await subject.claim())
    assert await subject.found() == []


async def test_a_failed_order_is_found_only_while_it_is_open_again(subject: Subject) -> None:
    claim = await subject.claim()
    await subject.ledger.fail(ORDER, reason="other", attempt=claim.attempt)
    assert await subject.found() == []
    again = await subject.claim(reopen=True)
    assert await subject.found() == [ORDER.order_id]
    await subject.ledger.record(again, Approved(charge_id="ch"))
    assert await subject.found() == []


async def test_an_order_that_failed_unclaimed_is_not_found(subject: Subject) -> None:
    await subject.ledger.fail(ORDER, reason="other")
    assert await subject.found() == []


async def test_an_order_is_found_once_nothing_has_happened_to_it_for_so_long(subject: Subject) -> None:
    await subject.ledger.accept(ORDER)
    subject.clock.advance(LEASE)
    assert await subject.found(ago=LEASE) == [ORDER.order_id]
    claim = await subject.claim()
    assert await subject.found(ago=LEASE) == []
    subject.clock.advance(LEASE)
    await subject.ledger.release(claim)
    assert await subject.found(ago=LEASE) == []


async def test_every_order_is_found_whatever_its_id_ends_in(subject: Subject) -> None:
    orders = [sample_order(f"order {number} of the longest name that there is") for number in range(40)]
    for order in orders:
        await subject.ledger.accept(order)
    assert await subject.found() == sorted(order.order_id for order in orders)


class Pages:
    """A client whose index has two pages in one place."""

    async def query(self, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - botocore's
        if arguments["ExpressionAttributeValues"][":shard"] != {"S": "q"}:
            return {"Items": []}
        if "ExclusiveStartKey" not in arguments:
            return {"Items": [{"order_id": {"S": "first"}}], "LastEvaluatedKey": {"order_id": {"S": "first"}}}
        assert arguments["ExclusiveStartKey"] == {"order_id": {"S": "first"}}
        return {"Items": [{"order_id": {"S": "second"}}]}


async def test_pages_are_followed_to_the_last(clock: ManualClock) -> None:
    unsettled = DynamoUnsettled(client=Pages(), table="orders")
    assert [order_id async for order_id in unsettled.untouched_since(clock())] == ["first", "second"]
