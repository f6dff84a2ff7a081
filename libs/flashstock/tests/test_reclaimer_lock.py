"""Which reclaimer is at work, with and without lost replies."""

from flashstock.reclaimer_lock import Holder
from flashstock.stock import Stock


async def test_the_lock_is_its_first_holders_until_somebody_has_seen_it_stand_still(stock: Stock) -> None:
    assert await stock.lock.holder() is None
    assert await stock.lock.take("first", seen=None)
    assert not await stock.lock.take("second", seen=None)
    seen = await stock.lock.holder()
    assert seen == Holder(owner="first", beats=1)
    assert await stock.lock.take("second", seen=seen)
    assert await stock.lock.holder() == Holder(owner="second", beats=2)


async def test_a_holder_keeps_the_lock_by_changing_it(stock: Stock) -> None:
    assert await stock.lock.take("first", seen=None)
    seen = await stock.lock.holder()
    assert await stock.lock.take("first", seen=seen)
    assert not await stock.lock.take("second", seen=seen)
    assert await stock.lock.holder() == Holder(owner="first", beats=2)
