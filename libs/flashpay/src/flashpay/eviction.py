"""Eviction: which order leaves when every slot is held by one that fails."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol, TypeVar

from flashpay.errors import FlashpayError, GatewayInFlightError, GatewayUnavailableError

_FIRST_SECONDS = 30.0
_LONGEST_SECONDS = 3600.0
# So many leave at the same pace, for several bad orders may be waiting; then each waits twice as long.
_EVEN = 8
_RESERVED_SECONDS = 60.0
# How long an evicted order stays away, so that the orders behind it are tried first.
AWAY = timedelta(minutes=2)
# SQS shows a message again after 12 h whatever is done, and moves one on its last receive without a reason.
_LAST_RECEIVE_SECONDS = 11 * 3600.0


class Occupant(Protocol):
    """An order in a slot, as far as it matters here."""

    @property
    def error(self) -> FlashpayError | None: ...
    @property
    def receives_left(self) -> int: ...
    @property
    def waiting(self) -> bool: ...


_O = TypeVar("_O", bound=Occupant)


class EvictionPolicy:
    """Chooses the order that leaves, and when. Rarely, since it costs a receive: soon every hour only.

    It takes 30 s at first; an order whose charge may be in flight is given the whole patience, then four times as
    long each time. While a dependency answers nothing at all nobody leaves: that is an outage, and no order's own
    fault. An order on its last receive leaves, and is given up, only where the others have none left either and
    nobody was settled for hours.

    The slot is for an order that was not tried yet: for a minute others are turned away (`slot_is_reserved`), lest one
    bad order is evicted for another for ever.

    Attributes:
        due: When to ask again; None when not before something changes.

    Args:
        slots: How many orders there are at once, at most.
        patience: How long an order in flight is waited for.
    """

    def __init__(self, *, slots: int, patience: timedelta) -> None:
        self._slots = slots
        self._patience = max(patience.total_seconds(), _FIRST_SECONDS)
        self._full_since: float | None = None
        self._reserved_until = 0.0
        self._evictions = 0
        self.due: float | None = None

    def reset(self) -> None:
        """Begin anew: an order was settled."""
        self._full_since = self.due = None
        self._evictions = 0
        self._reserved_until = 0.0

    def slot_is_reserved(self, *, now: float) -> bool:
        """Whether the slot that was freed last still waits for an order that was not tried."""
        return now < self._reserved_until

    def slot_taken(self) -> None:
        """An order that was not tried has come."""
        self._reserved_until = 0.0

    def choose(self, inside: Sequence[_O], *, now: float, silent: bool) -> _O | None:
        """The order that leaves now, if any."""
        self.due = None
        if len(inside) < self._slots or any(held.error is None for held in inside):
            self._full_since = None
            return None
        if self._full_since is None:
            self._full_since = now
        waiting = [] if silent else [held for held in inside if held.waiting]
        if not waiting:
            return None
        chosen = min(waiting, key=lambda held: (held.receives_left == 0, _in_flight(held), -held.receives_left))
        due = self._full_since + self._pause(chosen)
        if now < due:
            self.due = due
            return None
        self._evictions += 1
        self._full_since = None
        self._reserved_until = now + _RESERVED_SECONDS
        return chosen

    def _pause(self, held: Occupant) -> float:
        if held.receives_left == 0:
            return _LAST_RECEIVE_SECONDS
        if _in_flight(held):
            # The next charge is one more in flight than there are slots.
            return float(min(self._patience * 4.0 ** min(self._evictions, 20), _LAST_RECEIVE_SECONDS))
        return float(min(_FIRST_SECONDS * 2.0 ** min(max(self._evictions - _EVEN + 1, 0), 20), _LONGEST_SECONDS))


def _in_flight(held: Occupant) -> bool:
    error = held.error
    return isinstance(error, GatewayInFlightError) or (
        isinstance(error, GatewayUnavailableError) and not error.answered and not error.ended
    )
