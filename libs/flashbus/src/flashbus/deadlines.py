"""The end of patience for many results, with one timer."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

# When the process stood still, an answer may lie in the socket unread while the time is up. From bytes in the socket
# to the caller's result takes about eight turns of the loop.
_LAST_TURNS = 20


class Awaited(Protocol):
    """What somebody waits for, at most until it `expires` by the loop's clock."""

    @property
    def expires(self) -> float: ...
    @property
    def result(self) -> asyncio.Future[Any]: ...


_Awaited = TypeVar("_Awaited", bound=Awaited)


class Deadlines(Generic[_Awaited]):
    """Watches over many results with one timer, as all get the same time and so expire in the sequence they came.

    A timer for each costs more than all else that waiting for a result takes.
    """

    def __init__(self, *, on_late: Callable[[_Awaited], object]) -> None:
        """Take whom to tell of every result that is not there in time."""
        self._on_late = on_late
        self._open: deque[_Awaited] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, awaited: _Awaited) -> None:
        """Watch over one more; it expires no earlier than those before."""
        self._open.append(awaited)
        self._drop_done()
        self._set_timer()

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        if self._timer is None and self._open:
            self._timer = asyncio.get_running_loop().call_at(self._open[0].expires, self._time_is_up)

    def _time_is_up(self) -> None:
        self._look(asyncio.get_running_loop().time(), _LAST_TURNS)

    def _look(self, now: float, turns: int) -> None:
        if turns and self._has_late(now):
            asyncio.get_running_loop().call_soon(self._look, now, turns - 1)
            return
        while self._has_late(now):
            self._on_late(self._open.popleft())
        self._timer = None
        self._set_timer()

    def _has_late(self, now: float) -> bool:
        self._drop_done()
        return bool(self._open) and self._open[0].expires <= now

    def _drop_done(self) -> None:
        while self._open and self._open[0].result.done():
            self._open.popleft()
