"""What the bus is told of what was decided about an order's message."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from flashbus import dispositions as bus
from flashbus.backoff import Backoff
from flashbus.queue import Message
from flashpay import DeadLetter, Disposition, HandBack
from order_processor.handler import MessageHandler
from order_processor.message_settler import MessageSettler
from order_processor.metrics import Metrics

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
