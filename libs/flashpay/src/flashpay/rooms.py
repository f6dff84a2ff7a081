"""Making room: who leaves when every slot is held by an order that fails."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from flashpay.errors import FlashpayError, GatewayInFlightError

_FIRST_SECONDS = 30.0
_LONGEST_SECONDS = 3600.0


class Occupant(Protocol):
    """An order in a slot, as far as it matters here."""

    @property
    def error(self) -> FlashpayError | None: ...
    @property
    def receives_left(self) -> int: ...
    @property
    def waiting(self) -> bool: ...


_O = TypeVar("_O", bound=Occupant)


class Rooms:
    """Says who leaves, and when. Rarely, since it costs a receive: each time twice as long after the last, up to 1 h.

    It takes 30 s at first; an order whose charge may be in flight, or a dependency that answers nothing at all, is
    given the whole patience. An order on its last receive only leaves where the others have none left either, and
    never while nothing answers: then it is an outage, and no order's own fault.

    Args:
        slots: How many orders there are at once, at most.
        patience: How long an order in flight is waited for.
    """

    def __init__(self, *, slots: int, patience: timedelta) -> None:
        self._slots = slots
        self._patience = max(patience.total_seconds(), _FIRST_SECONDS)
        self._full_since: float | None = None
        self._left = 0
        self.due: float | None = None

    def reset(self) -> None:
        """Begin anew: an order was settled."""
        self._full_since = self.due = None
        self._left = 0

    def who_leaves(self, inside: Sequence[_O], *, now: float, silent: bool) -> _O | None:
        """Who leaves now, if anybody; `due` is when to ask again, None when not before something changes."""
        self.due = None
        if len(inside) < self._slots or any(held.error is None for held in inside):
            self._full_since = None
            return None
        if self._full_since is None:
            self._full_since = now
        waiting = [held for held in inside if held.waiting and (held.receives_left > 0 or not silent)]
        if not waiting:
            return None
        chosen = min(waiting, key=lambda held: (held.receives_left == 0, _in_flight(held), -held.receives_left))
        first = self._patience if silent or _in_flight(chosen) else _FIRST_SECONDS
        due = self._full_since + min(first * 2.0 ** min(self._left, 20), _LONGEST_SECONDS)
        if now < due:
            self.due = due
            return None
        self._left += 1
        self._full_since = None
        return chosen


def _in_flight(held: Occupant) -> bool:
    return isinstance(held.error, GatewayInFlightError)
