"""Waiting for what only polling can tell."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def wait_until(predicate: Callable[[], Awaitable[bool]], *, seconds: float = 30, every: float = 0.05) -> None:
    """Poll until the predicate holds; raises TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{getattr(predicate, '__qualname__', predicate)} did not hold within {seconds:g} s")
        await asyncio.sleep(every)
