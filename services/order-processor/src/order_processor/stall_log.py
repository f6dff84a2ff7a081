"""Says in the log that nothing comes to its end, for alarms that read logs and no `/metrics`."""

import asyncio
from datetime import timedelta
from typing import Protocol

import structlog

# As often as an alarm looks.
EVERY = timedelta(minutes=1)


class Stalling(Protocol):
    """What may stall: the consumer."""

    @property
    def stalled(self) -> bool:
        """Whether messages are taken and none has come to its end for long."""
        ...


async def log_stalls(consumer: Stalling, *, stop: asyncio.Event, every: timedelta = EVERY) -> None:
    """Log `processor_stalled` again and again for as long as it is so, until stopped."""
    while not stop.is_set():
        if consumer.stalled:
            structlog.get_logger().warning("processor_stalled")
        try:
            await asyncio.wait_for(stop.wait(), timeout=every.total_seconds())
        except TimeoutError:
            continue
