"""Places where a fake lets others run, and where a test may make it lose a message or die."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

Checkpoint: TypeAlias = Callable[[str], Awaitable[None]]
"""Called with the name of the place, such as `claim.called` (nothing is written yet) or `claim.done`
(written, the reply is on its way). Raising there is a fault: the request, or the reply, is lost."""


async def no_checkpoint(_place: str) -> None:
    """Let others run, no more."""
    await asyncio.sleep(0)
