"""A first-come, first-served queue in front of a number of places."""

import math
from collections import deque
from dataclasses import dataclass

from load.model.clock import Action, Clock


@dataclass(slots=True, eq=False)
class Ticket:
    """One customer's place in the queue."""

    on_turn: Action
    on_give_up: Action | None
    stays: bool
    served: bool = False
    left: bool = False


class WaitingQueue:
    """`capacity` places (0 = unlimited) and the customers waiting for one.

    Whoever is served holds a place until `leave()`. A customer whose patience ends hears it through
    `on_give_up`; with `stays` the place in the queue is kept and served all the same, for nobody.
    """

    def __init__(self, clock: Clock, *, capacity: int) -> None:
        self._clock = clock
        self._capacity = math.inf if capacity == 0 else float(capacity)
        self._taken = 0
        self._waiting: deque[Ticket] = deque()

    def join(
        self,
        on_turn: Action,
        *,
        patience: float = math.inf,
        on_give_up: Action | None = None,
        stays: bool = False,
    ) -> Ticket:
        ticket = Ticket(on_turn, on_give_up, stays)
        self._waiting.append(ticket)
        self._serve()
        if not ticket.served and patience < math.inf:
            self._clock.after(patience, lambda: self.give_up(ticket))
        return ticket

    def give_up(self, ticket: Ticket) -> None:
        """The customer waits no longer; a customer already served or gone is left alone."""
        if ticket.served or ticket.left:
            return
        ticket.left = not ticket.stays
        if ticket.on_give_up is not None:
            ticket.on_give_up()

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
