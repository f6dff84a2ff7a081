"""The payment provider: a queue in front of `capacity` charges of equal length."""

import math

from load.model.clock import Action, Clock
from load.model.orders import SimulatedOrder
from load.model.waiting_queue import WaitingQueue


class SimulatedGateway:
    """Charges each order once."""

    def __init__(self, clock: Clock, *, capacity: int, payment_seconds: float) -> None:
        self._clock = clock
        self._payment_seconds = payment_seconds
        self._queue = WaitingQueue(clock, capacity=capacity)

    def charge(
        self, order: SimulatedOrder, then: Action, *, patience: float = math.inf, on_give_up: Action | None = None
    ) -> None:
        """Wait in the queue at most `patience` seconds: a processor's message comes back until it is paid."""
        self._queue.join(lambda: self._begin(order, then), patience=patience, on_give_up=on_give_up)

    def _begin(self, order: SimulatedOrder, then: Action) -> None:
        order.charged_at = self._clock.now + self._payment_seconds

        def end() -> None:
            then()
            self._queue.leave()

        self._clock.at(order.charged_at, end)
