"""Clocks that are minutes apart cost attempts, and nobody money: a lease that looks over still has the same key."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from flashmsg import OrderPlaced, encode
from flashpay.testing import MemoryLedger, Reply
from order_processor.app import build_consumer
from order_processor.testing import ProcessorHarness

QUICK = {"workers": 5, "lease_seconds": 5, "payment_timeout_seconds": 4, "visibility_seconds": 8, "wait_seconds": 1}


def process(harness: ProcessorHarness, *, wrong_by: timedelta) -> asyncio.Task[None]:
    """A processor whose clock is wrong, beside others of the same queue, ledger and gateway."""

    def clock() -> datetime:
        return harness.now() + wrong_by

    ledger = MemoryLedger(clock=clock)
    ledger.entries = harness.ledger.entries
    consumer = build_consumer(
        harness.settings,
        connections=replace(harness._connections(), ledger=ledger),
        registry=CollectorRegistry(),
        stop=harness.stop,
        clock=clock,
    )
    return asyncio.create_task(consumer.run(), name=f"wrong by {wrong_by}")


@pytest.mark.parametrize("minutes", [(10, 0), (-10, 0), (10, -10)])
async def test_processors_whose_clocks_are_ten_minutes_wrong_charge_nobody_twice(minutes: tuple[int, int]) -> None:
    harness = ProcessorHarness(**QUICK)
    harness.gateway.latency = timedelta(seconds=3)
    harness.gateway.plan(*[Reply.LOSE, Reply.APPROVE, Reply.FAIL] * 5)
    orders = await harness.place(30)
    for order in orders:  # every message comes twice, so that the clocks meet at each order
        await harness.queue.send(encode(OrderPlaced.of(order)), attributes={})
    tasks = [process(harness, wrong_by=timedelta(minutes=each)) for each in minutes]
    await harness.until(lambda: not harness.queue.stored)
    harness.stop.set()
    await asyncio.gather(*tasks)
    assert harness.all_are(orders)
    assert [harness.gateway.charged(order.order_id) for order in orders] == [1] * len(orders)
    assert not harness.dead.stored
