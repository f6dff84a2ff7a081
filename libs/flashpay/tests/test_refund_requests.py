"""What the gateway is told of a refund."""

from datetime import timedelta

import pytest

from flashpay import Canceller, Refunded, RefundRequest, Reservations, Settler
from flashpay.cancellation import refund_request
from flashpay.gateway import RefundKnown
from flashpay.testing import (
    KEY_WINDOW,
    FakeGateway,
    FakeRefunds,
    ManualClock,
    MemoryLedger,
    Reply,
    refunder_of,
    sample_order,
)

ORDER = sample_order()


class NotingRefunds(FakeRefunds):
    """Keeps what it is asked, and for how long."""

    def __init__(self, gateway: FakeGateway) -> None:
        super().__init__(gateway=gateway)
        self.asked: list[tuple[str, RefundRequest, timedelta]] = []

    async def refund(self, request: RefundRequest, *, timeout: timedelta) -> Refunded:  # noqa: ASYNC109 - the protocol's
        self.asked.append(("refund", request, timeout))
        return await super().refund(request, timeout=timeout)

    async def lookup_refund(self, request: RefundRequest, *, timeout: timedelta) -> RefundKnown:  # noqa: ASYNC109 - as above
        self.asked.append(("lookup", request, timeout))
        return await super().lookup_refund(request, timeout=timeout)


async def test_the_gateway_is_told_all_of_a_refund_and_given_its_time_whether_it_is_made_or_looked_up(
    settler: Settler, memory: MemoryLedger, gateway: FakeGateway, clock: ManualClock
) -> None:
    refunds = NotingRefunds(gateway)
    refunder = refunder_of(ledger=memory, refunds=refunds, clock=clock)
    canceller = Canceller(ledger=memory, refunder=refunder, reservations=Reservations(stock=None, limits=None))
    await settler.settle(ORDER)
    refunds.default = Reply.LOSE
    await canceller.finish(await canceller.decide(ORDER.order_id), traceparent="00-trace")
    refunds.default = Reply.APPROVE
    clock.advance(KEY_WINDOW)
    await canceller.finish(await canceller.decide(ORDER.order_id), traceparent="00-trace")
    request = RefundRequest(
        order_id=ORDER.order_id,
        charge_id="ch_000001",
        amount_minor=ORDER.total_minor,
        currency="EUR",
        customer_id=ORDER.customer_id,
        traceparent="00-trace",
    )
    ten_seconds = timedelta(seconds=10)
    assert refunds.asked == [("refund", request, ten_seconds), ("lookup", request, ten_seconds)]


async def test_what_was_not_charged_is_not_paid_back(memory: MemoryLedger) -> None:
    await memory.accept(ORDER)
    with pytest.raises(ValueError, match=f"{ORDER.order_id} is pending and was not charged"):
        refund_request(memory.entries[ORDER.order_id])
