"""The payment provider: a queue in front of `capacity` charges of equal length."""

from load.model.clock import Action, Clock
from load.model.orders import SimulatedOrder
from load.model.waiting_queue import Ticket, WaitingQueue


class SimulatedGateway:
    """Charges each order once: a repeated charge answers when the first one has ended and takes no capacity."""

    def __init__(self, clock: Clock, *, capacity: int, payment_seconds: float) -> None:
        self._clock = clock
        self._payment_seconds = payment_seconds
        self._queue = WaitingQueue(clock, capacity=capacity)

    def charge(self, order: SimulatedOrder, then: Action) -> None:
        """Wait in the queue as long as it takes: a processor's message comes back until it is paid."""
        self._queue.join(lambda: self._begin(order, then))

    def charge_within(
        self, order: SimulatedOrder, then: Action, *, patience: float, on_give_up: Action, stays: bool
    ) -> Ticket:
        """Wait in the queue at most `patience` seconds."""
        return self._queue.join(lambda: self._begin(order, then), patience=patience, on_give_up=on_give_up, stays=stays)

    def give_up(self, ticket: Ticket) -> None:
        self._queue.give_up(ticket)

    def _begin(self, order: SimulatedOrder, then: Action) -> None:
        if order.charged_at is not None:
            self._clock.at(order.charged_at, then)
            self._queue.leave()
            return
        order.charged_at = self._clock.now + self._payment_seconds

        def end() -> None:
            then()
            self._queue.leave()

        self._clock.at(order.charged_at, end)
