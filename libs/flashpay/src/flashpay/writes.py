"""Writes that outlive the cancellation of who waits for them."""

import asyncio
from typing import TypeVar

_T = TypeVar("_T")


async def finish(write: asyncio.Task[_T]) -> _T:
    """Wait for a write to end even when cancelled meanwhile; the cancellation follows it."""
    cancellation: asyncio.CancelledError | None = None
    while not write.done():
        try:
            await _end_of(write)
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None and not write.cancelled():
        raise cancellation from write.exception()
    return write.result()


async def _end_of(write: asyncio.Task[_T]) -> None:
    # Unlike `await write` it leaves the write alone when cancelled; `asyncio.wait` does the same for more.
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(_write: asyncio.Task[_T]) -> None:
        if not ended.done():
            ended.set_result(None)

    write.add_done_callback(tell)
    await ended
