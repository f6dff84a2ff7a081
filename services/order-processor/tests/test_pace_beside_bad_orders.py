"""The pace of good orders beside a bad one, whatever is wrong with it."""

import asyncio

import pytest

from flashmsg import Order
from order_processor.testing import loop_time
from order_processor.testing.bad_orders import HOUR, KINDS, PAYMENT, harness_of, place_bad, seconds_to_complete, waits

pytestmark = pytest.mark.long


@pytest.mark.parametrize("workers", [1, 8, 20])
@pytest.mark.parametrize("kind", KINDS)
async def test_at_one_order_a_minute_the_good_ones_are_paid_at_once(kind: str, workers: int) -> None:
    processor = harness_of(workers=workers)
    good: list[Order] = []
    await place_bad(processor, kind)
    async with processor.running():
        while loop_time() < 2 * HOUR:
            good += await processor.place()
            await asyncio.sleep(60)
    taken = sorted(waits(processor, good))
    assert taken[len(taken) // 2] < 3.1
    late = [seconds for seconds in taken if seconds > 3 * PAYMENT.total_seconds()]
    # With a single slot a charge that hangs is waited for once, as nothing can overtake it.
    assert len(late) <= (6 if workers == 1 and kind in {"hangs", "slow"} else 0)


@pytest.mark.parametrize("workers", [8, 20])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_saturated_shop_keeps_its_throughput(kind: str, workers: int) -> None:
    alone, beside = harness_of(workers=workers), harness_of(workers=workers)
    orders = await alone.place(150 * workers)
    async with alone.running():
        undisturbed = await seconds_to_complete(alone, orders)
    await place_bad(beside, kind)
    good = await beside.place(150 * workers)
    async with beside.running():
        assert undisturbed / await seconds_to_complete(beside, good) >= 0.95
    # A slot is lent out while a charge hangs that others overtook.
    assert beside.gateway.peak_at_work <= workers + (1 if kind in {"hangs", "slow"} else 0)
