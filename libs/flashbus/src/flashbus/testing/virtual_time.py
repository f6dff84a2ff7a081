"""An event loop whose clock jumps: three hours of outage pass in a moment, and always in the same way."""

import asyncio
import selectors
from collections.abc import Callable

_TICK_SECONDS = 1e-9


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop that, instead of waiting for the next timer, moves its clock there.

    Real input and output still works, but time stands still while it is waited for.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        # A clock that stood still between two looks would let a wait of less than its resolution spin for ever.
        self._seconds += _TICK_SECONDS
        return self._seconds

    def _jump(self, seconds: float) -> None:
        self._seconds += seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self._jump(timeout)
        return ready
