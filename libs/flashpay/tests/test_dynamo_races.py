"""Two owners who both saw the same entry: only one of their writes may take effect."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from flashmsg import OrderStatus
from flashpay import Claimed, DynamoClient, DynamoLedger, HeldElsewhere
from flashpay.testing import START, ManualClock, sample_order

LEASE = timedelta(seconds=30)
ORDER = sample_order()
pytestmark = pytest.mark.embedded_aws


class MeetingClient:
    """Sends no update before two are ready to go; later ones go straight through."""

    def __init__(self, inner: DynamoClient) -> None:
        self._inner = inner
        self._both = asyncio.Barrier(2)
        self._met = 0

    async def get_item(self, **arguments: object) -> Mapping[str, Any]:
        return await self._inner.get_item(**arguments)

    async def put_item(self, **arguments: object) -> Mapping[str, Any]:
        return await self._inner.put_item(**arguments)

    async def update_item(self, **arguments: object) -> Mapping[str, Any]:
        self._met += 1
        if self._met <= self._both.parties:
            await self._both.wait()
        return await self._inner.update_item(**arguments)


@pytest.fixture
async def ledger(orders_table: tuple[Any, str], clock: ManualClock) -> DynamoLedger:
    """A ledger whose only entry is under an ended lease."""
    client, name = orders_table
    await DynamoLedger(client=client, table=name, clock=clock).claim(ORDER, owner="first", lease=LEASE)
    clock.advance(LEASE)
    return DynamoLedger(client=MeetingClient(client), table=name, clock=clock)


async def test_an_ended_lease_is_taken_over_once(ledger: DynamoLedger) -> None:
    claims = await asyncio.gather(*(ledger.claim(ORDER, owner=owner, lease=LEASE) for owner in ("left", "right")))
    winners = [claim for claim in claims if isinstance(claim, Claimed)]
    assert [winner.attempt for winner in winners] == [2]
    assert [claim for claim in claims if claim not in winners] == [HeldElsewhere(lease_until=START + 2 * LEASE)]


async def test_an_order_is_not_given_up_under_the_claim_that_overtook(ledger: DynamoLedger) -> None:
    claim, failed = await asyncio.gather(
        ledger.claim(ORDER, owner="second", lease=LEASE, reopen=True),
        ledger.fail(ORDER, reason="too_many_receives"),
    )
    # Whichever write came first, the claim stands: over the failed order, or instead of it.
    assert isinstance(claim, Claimed)
    entry = await ledger.get(ORDER.order_id)
    assert entry is not None
    assert (entry.status, entry.owner, entry.attempt) == (OrderStatus.PROCESSING, "second", 2)
    assert failed.status in {OrderStatus.FAILED, OrderStatus.PROCESSING}
