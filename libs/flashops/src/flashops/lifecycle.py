"""Stopping: the first signal asks, the second one does not."""

import asyncio
import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """An event that is set by SIGTERM or SIGINT; every wait of a service races it.

    Used as an asynchronous context manager it takes the signals over, and gives them back:

        async with Shutdown() as shutdown:
            await shutdown.event.wait()
    """

    def __init__(self, *, exit_process: Callable[[int], object] = os._exit) -> None:
        """`exit_process` ends the process at once with the given status; tests replace it."""
        self.event = asyncio.Event()
        self.signal: signal.Signals | None = None
        self._exit_process = exit_process

    async def __aenter__(self) -> Self:
        self.install()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.restore()

    def install(self) -> None:
        """Take SIGTERM and SIGINT over; call it inside the running loop."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._receive, number)

    def restore(self) -> None:
        """Give both signals back to Python's default handling."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def request(self) -> None:
        """Stop without a signal."""
        self.event.set()

    def _receive(self, number: signal.Signals) -> None:
        if self.signal is not None:
            # The operator insists: whatever is still in flight will be delivered again.
            self._exit_process(128 + number)
        self.signal = number
        self.event.set()
