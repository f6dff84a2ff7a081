"""The processor tells how orders ended, and works on whether or not anybody can be told."""

from flashmsg import OrderStatus
from flashpay.testing import Reply
from order_processor.testing import ProcessorHarness


async def test_every_end_is_told_and_counted() -> None:
    processor = ProcessorHarness()
    outcomes = processor.outcomes
    processor.gateway.plan(Reply.DECLINE)
    orders = await processor.place(5)
    async with processor.running():
        await processor.until(lambda: len(outcomes.published) == len(orders))
        await processor.until(lambda: processor.metric("outcome_events_total", result="told") == len(orders))
    assert sorted(outcomes.told) == ["completed"] * 4 + ["declined"]
    assert not any(entry.event_owed for entry in processor.ledger.entries.values())


async def test_an_order_that_is_given_up_is_told_as_failed() -> None:
    processor = ProcessorHarness(max_receives=3)
    processor.gateway.for_customers[666] = Reply.FAIL
    await processor.place(customer_id=666)
    paid = await processor.place(20)
    async with processor.running():
        await processor.until(lambda: len(processor.outcomes.told) == len(paid) + 1)
    assert sorted(processor.outcomes.told) == ["completed"] * len(paid) + ["failed"]
    assert len(processor.dead.stored) == 1


async def test_orders_are_paid_and_acknowledged_while_nobody_can_be_told() -> None:
    processor = ProcessorHarness()
    processor.outcomes.down = True
    orders = await processor.place(20)
    async with processor.running():
        await processor.until(lambda: processor.metric("outcome_events_total", result="owed") == len(orders))
        await processor.until(lambda: not processor.queue.stored)
    assert processor.all_are(orders, OrderStatus.COMPLETED)
    assert all(entry.event_owed for entry in processor.ledger.entries.values())


async def test_a_slow_topic_keeps_no_slot() -> None:
    processor = ProcessorHarness(workers=2)
    outcomes = processor.outcomes
    outcomes.gate.clear()
    orders = await processor.place(10)
    async with processor.running():
        await processor.until(lambda: processor.all_are(orders))
        assert outcomes.published == []
        outcomes.gate.set()
        await processor.until(lambda: len(outcomes.published) == len(orders))
