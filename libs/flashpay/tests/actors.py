"""Attempts that a test lets go on from one await point to the next."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from flashmsg import Order

ACTOR: ContextVar["Actor | None"] = ContextVar("actor", default=None)


class DeathError(BaseException):
    """Not caught by anything, like the end of the process."""


@dataclass(eq=False)
class Actor:
    """One attempt, parked at an await point until it is let go on; `free`, it is parked no more."""

    order: Order
    task: asyncio.Task[Any] | None = None
    place: str = ""
    parked: asyncio.Future[None] | None = field(default=None)
    free: bool = False

    async def park(self, place: str) -> None:
        if self.free:
            return
        self.place, self.parked = place, asyncio.get_running_loop().create_future()
        try:
            await self.parked
        finally:
            self.parked = None


async def checkpoint(place: str) -> None:
    actor = ACTOR.get()
    if actor is not None:
        await actor.park(place)
