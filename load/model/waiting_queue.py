"""A first-come, first-served queue in front of a number of places."""

import math
from collections import deque
from dataclasses import dataclass

from load.model.clock import Action, Clock


@dataclass(slots=True, eq=False)
class _Ticket:
    """One customer's place in the queue."""

    on_turn: Action
    served: bool = False
    left: bool = False


class WaitingQueue:
    """`capacity` places (0 = unlimited) and the customers waiting for one.

    Whoever is served holds a place until `leave()`. A customer whose patience ends hears it through `on_give_up`.
    """

    def __init__(self, clock: Clock, *, capacity: int) -> None:
        self._clock = clock
        self._capacity = math.inf if capacity == 0 else float(capacity)
        self._taken = 0
        self._waiting: deque[_Ticket] = deque()

    def join(self, on_turn: Action, *, patience: float = math.inf, on_give_up: Action | None = None) -> None:
        ticket = _Ticket(on_turn)
        self._waiting.append(ticket)
        self._serve()
        if not ticket.served and patience < math.inf:
            self._clock.after(patience, lambda: self._give_up(ticket, on_give_up))

    def _give_up(self, ticket: _Ticket, on_give_up: Action | None) -> None:
        if ticket.served:
            return
        ticket.left = True
        if on_give_up is not None:
            on_give_up()

    def leave(self) -> None:
        self._taken -= 1
        self._serve()

    def resize(self, capacity: int) -> None:
        """Change the number of places; who already holds one finishes undisturbed."""
        self._capacity = float(capacity)
        self._serve()

    def _serve(self) -> None:
        while self._waiting and (self._waiting[0].left or self._taken < self._capacity):
            ticket = self._waiting.popleft()
            if ticket.left:
                continue
            ticket.served = True
            self._taken += 1
            ticket.on_turn()
