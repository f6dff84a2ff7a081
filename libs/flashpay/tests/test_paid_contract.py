"""Which orders are found that were recorded as paid; the memory and the table must both hold to it."""

from datetime import timedelta

from flashpay import Approved, Claimed, Declined, Ledger, PaidOrders
from flashpay.testing import ManualClock, sample_order

LEASE = timedelta(seconds=30)
HOUR = timedelta(hours=1)


async def test_the_orders_are_found_that_were_paid_since_and_no_others(
    audited_ledger: tuple[Ledger, PaidOrders], clock: ManualClock
) -> None:
    ledger, paid = audited_ledger

    async def claim(name: str) -> Claimed:
        taken = await ledger.claim(sample_order(name), owner="worker", lease=LEASE)
        assert isinstance(taken, Claimed)
        return taken

    await ledger.record(await claim("long ago"), Approved(charge_id="ch"))
    clock.advance(HOUR)
    since = clock()
    await claim("processing")
    await ledger.accept(sample_order("pending"))
    await ledger.record(await claim("declined"), Declined(reason="no"))
    await ledger.fail(sample_order("failed"), reason="other")
    for name in ("one", "other", "third"):
        await ledger.record(await claim(name), Approved(charge_id="ch"))
    found = [order_id async for order_id in paid.paid_since(since)]
    assert sorted(found) == sorted(sample_order(name).order_id for name in ("one", "other", "third"))
    assert len([order_id async for order_id in paid.paid_since(since - HOUR)]) == 4
