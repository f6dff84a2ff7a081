"""What the bus is told of what was decided about an order's message."""

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from flashbus import dispositions as bus
from flashbus.backoff import Backoff
from flashbus.queue import Message
from flashmsg import OrderStatus
from flashpay import Acknowledge, DeadLetter, Disposition, HandBack, LedgerEntry
from flashpay.testing import START, sample_order
from order_processor.handler import MessageHandler
from order_processor.message_settler import MessageSettler
from order_processor.metrics import Metrics

COMPLETED = replace(
    LedgerEntry.claimed_first(sample_order(), owner="w", lease_until=START, now=START),
    status=OrderStatus.COMPLETED,
    charge_id="ch_1",
)
ASKED = timedelta(seconds=5)
MESSAGE = Message(message_id="m", receipt="r", body="", receive_count=1)


class Decided(MessageSettler):
    """Says what it was told to say."""

    def __init__(self, disposition: Disposition) -> None:
        self._disposition = disposition

    async def settle(self, message: Message) -> Disposition:  # noqa: ARG002 - the base's
        return self._disposition


async def handled(disposition: Disposition, registry: CollectorRegistry | None = None) -> bus.Disposition:
    handler = MessageHandler(
        message_settler=Decided(disposition),
        backoff=Backoff(uniform=lambda _low, high: high),
        metrics=Metrics(registry or CollectorRegistry()),
    )
    return await handler.handle(MESSAGE)


@pytest.mark.parametrize(("step", "seconds"), [(0, 5), (1, 6), (3, 9)])
async def test_a_message_is_away_for_what_was_asked_and_the_backoff_of_its_step(step: int, seconds: int) -> None:
    told = await handled(HandBack(outcome="retry", reason="overloaded", at_least=ASKED, step=step))
    assert told == bus.HandBack(outcome="retry", reason="overloaded", after=timedelta(seconds=seconds))


@pytest.mark.parametrize(("outcome", "settled"), [("failed", 1), ("unresolved", None), ("poison", None)])
async def test_a_dead_letter_is_passed_on_and_a_failed_order_counted(outcome: str, settled: int | None) -> None:
    registry = CollectorRegistry()
    told = await handled(DeadLetter(outcome=outcome, reason="exhausted", detail="five times"), registry)
    assert told == bus.DeadLetter(outcome=outcome, reason="exhausted", detail="five times")
    assert registry.get_sample_value("orders_settled_total", {"status": "failed"}) == settled


@pytest.mark.parametrize(("seconds", "counted"), [(63.4564, 63.4564), (-1.0, 0.0)])
async def test_an_order_that_came_to_its_end_is_counted_with_its_age(seconds: float, counted: float) -> None:
    registry = CollectorRegistry()
    entry = replace(COMPLETED, completed_at=COMPLETED.created_at + timedelta(seconds=seconds))
    told = await handled(Acknowledge(outcome="completed", entry=entry, attempt=2), registry)
    fields = {"status": "completed", "attempt": 2, "charge_id": "ch_1", "order_seconds": round(seconds, 3)}
    assert told == bus.Acknowledge(outcome="completed", fields=fields)
    assert registry.get_sample_value("orders_settled_total", {"status": "completed"}) == 1
    assert registry.get_sample_value("processor_order_duration_seconds_sum") == pytest.approx(counted)


async def test_an_order_that_had_its_end_before_is_not_counted_again() -> None:
    registry = CollectorRegistry()
    told = await handled(Acknowledge(outcome="duplicate", entry=COMPLETED), registry)
    assert told == bus.Acknowledge(outcome="duplicate", fields={"status": "completed"})
    assert registry.get_sample_value("orders_settled_total", {"status": "completed"}) is None
    assert registry.get_sample_value("processor_order_duration_seconds_count") == 0


@pytest.mark.parametrize("status", [OrderStatus.COMPLETED, OrderStatus.FAILED])
async def test_an_order_that_ended_without_its_units_is_counted_though_its_message_is_not_finished(
    status: OrderStatus,
) -> None:
    entry = replace(COMPLETED, status=status)
    dispositions: list[Disposition] = [
        HandBack(outcome="retry", reason="stock_unavailable", ended=entry),
        DeadLetter(outcome="unresolved", reason="stock_unavailable", detail="no stock", ended=entry),
    ]
    for disposition in dispositions:
        registry = CollectorRegistry()
        await handled(disposition, registry)
        assert registry.get_sample_value("orders_settled_total", {"status": status.value}) == 1
        aged = 0 if status is OrderStatus.FAILED else 1
        assert registry.get_sample_value("processor_order_duration_seconds_count") == aged
