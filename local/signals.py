"""Stop signals for the commands that run a shop."""

import asyncio
import signal
from collections.abc import Coroutine

INTERRUPTED = 130  # what a shell expects of a command ended by Ctrl-C
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_until_interrupted(main: Coroutine[object, object, int]) -> int:
    """asyncio.run() whose task is cancelled by SIGINT and by SIGTERM alike; returns its code, or 130.

    The cancellation unwinds every `async with`, so whatever the command started is stopped before this returns.
    A second signal does not cut that short: a half-stopped shop is what nobody wants.
    """
    return asyncio.run(_supervised(main))


async def _supervised(main: Coroutine[object, object, int]) -> int:
    task = asyncio.ensure_future(main)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            loop.add_signal_handler(number, lambda: None)
        task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        return INTERRUPTED
