"""The parts one by one."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

import pytest
import structlog
from structlog.testing import capture_logs

from flashmsg import Order
from flashops.logs import WriteInfo, configure_logging, write_info
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


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


async def lines_of(write_line: WriteInfo, pipe: io.TextIOWrapper) -> list[dict[str, object]]:
    """What a processor says of some orders, and of one that it hands back."""
    processor = ProcessorHarness(workers=1)
    processor.write_line = write_line
    processor.gateway.latency = timedelta(seconds=3)
    processor.gateway.plan(Reply.DECLINE, Reply.FAIL)
    for trace in ("1" * 32, "2" * 32):
        await processor.place(traceparent=f"00-{trace}-{'3' * 16}-01")
    async with processor.running():
        await processor.until(lambda: not processor.queue.stored)
    lines = [json.loads(line) for line in pipe.buffer.getvalue().splitlines()]  # type: ignore[attr-defined]
    return [line for line in lines if line["event"] == "message_handled"]


@pytest.mark.usefixtures("logging_restored")
async def test_the_line_of_a_message_is_what_structlog_writes() -> None:
    # The real clock and chance: when it was written, and how long a message stayed away.
    unlike = {"timestamp", "back_in_seconds", "order_seconds"}
    written = []
    for direct in (True, False):
        pipe = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        write = configure_logging(service="order-processor", environment="test", stream=pipe)
        written.append(await lines_of(write if direct else write_info, pipe))
    direct_lines, through_structlog = (
        [{name: value for name, value in line.items() if name not in unlike} for line in lines] for lines in written
    )
    assert direct_lines == through_structlog
    assert [line["outcome"] for line in direct_lines] == ["declined", "retry", "completed"]
    for line in direct_lines:
        assert {"message_id", "receive_count", "order_id", "trace_id", "duration_seconds", "level"} <= line.keys()


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
