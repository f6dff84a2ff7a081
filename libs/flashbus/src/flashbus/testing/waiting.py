"""Waiting for what will become true."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

_POLL_SECONDS = 0.001
_LONGEST = timedelta(seconds=10)


async def wait_until(predicate: Callable[[], object], *, longest: timedelta = _LONGEST) -> None:
    """Return as soon as `predicate` is true.

    Raises:
        TimeoutError: It did not become true in time.
    """
    async with asyncio.timeout(longest.total_seconds()):
        while not predicate():  # noqa: ASYNC110 - a test may wait for anything, not only for an event
            await asyncio.sleep(_POLL_SECONDS)
