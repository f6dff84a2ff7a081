"""The parts one by one."""

import asyncio
from datetime import timedelta
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from flashmsg import Order
from flashpay import Claim, LedgerEntry, LedgerUnavailableError
from flashpay.testing import MemoryLedger, Reply
from order_processor.testing import ProcessorHarness


async def test_permits_that_an_open_breaker_does_not_allow_are_given_back() -> None:
    processor = ProcessorHarness(workers=7, pollers=1)
    processor.gateway.default = Reply.REFUSE
    await processor.place(3)
    async with processor.running():
        await asyncio.sleep(600)  # open, and now and then one is allowed of those that are taken
        assert processor.metric("processor_paused") == 1
        processor.gateway.default = Reply.APPROVE
        await asyncio.sleep(30)
        assert not processor.queue.stored
        processor.gateway.hold()
        await processor.place(20)
        await asyncio.sleep(5)
        assert processor.gateway.in_flight == 7
        processor.gateway.let_go()


async def test_one_line_of_log_per_message() -> None:
    processor = ProcessorHarness()
    processor.gateway.latency = timedelta(seconds=3)
    with capture_logs() as lines:
        (order,) = await processor.place(1)
        await processor.queue.send("poison", attributes={})
        async with processor.running():
            await processor.until(lambda: not processor.queue.stored)
    handled = {line["outcome"]: line for line in lines if line["event"] == "message_handled"}
    assert sorted(handled) == ["completed", "poison"]
    completed = handled["completed"]
    assert completed["duration_seconds"] == pytest.approx(3.0, abs=0.001)
    assert completed["charge_id"] == processor.ledger.entries[order.order_id].charge_id
    assert handled["poison"]["reason"] == "malformed"


async def test_the_time_of_an_order_counts_from_its_acceptance() -> None:
    processor = ProcessorHarness()
    processor.gateway.latency = timedelta(seconds=3)
    await processor.place(1)
    await asyncio.sleep(60)
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    assert processor.metric("processor_order_duration_seconds_sum") == pytest.approx(63, abs=0.01)
    assert processor.metric("processor_settle_duration_seconds_sum", outcome="completed") == pytest.approx(3, abs=0.01)


async def test_when_an_orders_own_item_fails_the_ledger_is_asked_for_another() -> None:
    class Contended(MemoryLedger):
        asked: ClassVar[list[str]] = []

        async def claim(self, order: Order, **_asked: object) -> Claim:  # noqa: ARG002 - the protocol's
            raise LedgerUnavailableError("others are at it", reason="contention")

        async def get(self, order_id: str) -> LedgerEntry | None:
            self.asked.append(order_id)
            return await super().get(order_id)

    processor = ProcessorHarness()
    processor.ledger = Contended(clock=processor.now)
    await processor.place(1)
    async with processor.running():
        await processor.until(lambda: processor.metric("processor_messages_total", outcome="retry"))
    assert set(Contended.asked) == {"no-order"}
