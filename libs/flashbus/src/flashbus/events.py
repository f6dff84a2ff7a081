"""Waiting for whichever comes first."""

import asyncio


async def first_of(*events: asyncio.Event, seconds: float | None = None) -> None:
    """Wait until one of `events` is set, at most `seconds`."""
    if any(event.is_set() for event in events):
        return
    waits = [asyncio.create_task(event.wait(), name="first of events") for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
