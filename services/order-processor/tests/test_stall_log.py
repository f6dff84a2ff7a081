import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest
import structlog

from order_processor.stall_log import log_stalls

SOON = timedelta(milliseconds=1)


@dataclass
class FakeConsumer:
    """Stops the log after so many questions; stalled from one of them to another."""

    stop: asyncio.Event
    stalled_from: int
    questions: int = 0

    @property
    def stalled(self) -> bool:
        self.questions += 1
        if self.questions == 5:
            self.stop.set()
        return self.questions >= self.stalled_from


@pytest.mark.parametrize(("stalled_from", "lines"), [(4, 2), (1, 5), (6, 0)])
async def test_a_standstill_is_logged_for_as_long_as_it_lasts(stalled_from: int, lines: int) -> None:
    stop = asyncio.Event()
    with structlog.testing.capture_logs() as logged:
        await log_stalls(FakeConsumer(stop=stop, stalled_from=stalled_from), stop=stop, every=SOON)
    assert [line["event"] for line in logged] == ["processor_stalled"] * lines


async def test_a_stop_is_not_waited_for() -> None:
    stop = asyncio.Event()
    consumer = FakeConsumer(stop=stop, stalled_from=9)
    task = asyncio.create_task(log_stalls(consumer, stop=stop, every=timedelta(hours=1)))
    await asyncio.sleep(0)
    asked = consumer.questions
    stop.set()
    await asyncio.wait_for(task, timeout=5)
    assert consumer.questions == asked
