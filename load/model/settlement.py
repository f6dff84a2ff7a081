"""How a queued order is settled: slots of a processor, or environments of a function."""

from collections import deque
from functools import partial
from typing import Protocol

from load.model.clock import Action, Clock
from load.model.orders import SimulatedOrder
from load.model.shop import Consumer, Environments, Slots
from load.model.waiting_queue import WaitingQueue

_MILLISECONDS = 1000


class Charger(Protocol):
    """The gateway as a consumer sees it."""

    def charge(self, order: SimulatedOrder, then: Action) -> None: ...


class Settlement(Protocol):
    """Whoever takes orders from the queue."""

    cold_starts: int
    billed_gb_seconds: float

    def submit(self, order: SimulatedOrder) -> None: ...


class SlotSettlement:
    """One order per slot, first come first served; a slot is busy for overhead + charge."""

    cold_starts = 0
    billed_gb_seconds = 0.0

    def __init__(self, clock: Clock, *, gateway: Charger, slots: Slots) -> None:
        self._clock = clock
        self._gateway = gateway
        self._overhead = slots.overhead_seconds
        # A queue reads 0 as unlimited; a processor without workers has no place at all.
        self._slots = WaitingQueue(clock, capacity=slots.workers)
        if slots.workers == 0:
            self._slots.resize(0)
        for moment, workers in slots.schedule:
            clock.at(moment, partial(self._slots.resize, workers))

    def submit(self, order: SimulatedOrder) -> None:
        self._slots.join(lambda: self._clock.after(self._overhead, lambda: self._pay(order)))

    def _pay(self, order: SimulatedOrder) -> None:
        def settled() -> None:
            order.settle(self._clock.now)
            self._slots.leave()

        self._gateway.charge(order, settled)


class FunctionSettlement:
    """An invocation takes up to `batch_size` orders; without an idle environment a new one initialises."""

    def __init__(self, clock: Clock, *, gateway: Charger, environments: Environments) -> None:
        self._clock = clock
        self._gateway = gateway
        self._settings = environments
        self._idle = environments.warm
        self._total = environments.warm
        self._pending: deque[SimulatedOrder] = deque()
        self._dispatching = False
        self.cold_starts = 0
        self.billed_gb_seconds = 0.0

    def submit(self, order: SimulatedOrder) -> None:
        self._pending.append(order)
        if not self._dispatching:
            # Orders delivered at the same moment share batches: dispatch after all of them arrived.
            self._dispatching = True
            self._clock.after(0.0, self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = False
        while self._pending and (self._idle or self._total < self._settings.concurrency):
            size = min(self._settings.batch_size, len(self._pending))
            self._invoke([self._pending.popleft() for _ in range(size)])

    def _invoke(self, batch: list[SimulatedOrder]) -> None:
        init = 0.0
        if self._idle:
            self._idle -= 1
        else:
            self._total += 1
            self.cold_starts += 1
            init = self._settings.init_seconds
        began = self._clock.now
        unsettled = len(batch)

        def settled(order: SimulatedOrder) -> None:
            nonlocal unsettled
            order.settle(self._clock.now)
            unsettled -= 1
            if not unsettled:
                self._finish(began)

        for order in batch:
            self._clock.after(
                init + self._settings.overhead_seconds,
                partial(self._gateway.charge, order, partial(settled, order)),
            )

    def _finish(self, began: float) -> None:
        # Lambda bills whole milliseconds; a hair under the next one is floating point, not time.
        milliseconds = -(-round((self._clock.now - began) * _MILLISECONDS, 6) // 1)
        self.billed_gb_seconds += milliseconds / _MILLISECONDS * self._settings.memory_mb / 1024
        self._idle += 1
        self._dispatch()


def settlement(clock: Clock, *, gateway: Charger, consumer: Consumer) -> Settlement:
    if isinstance(consumer, Slots):
        return SlotSettlement(clock, gateway=gateway, slots=consumer)
    return FunctionSettlement(clock, gateway=gateway, environments=consumer)
