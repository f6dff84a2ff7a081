"""One run of a scenario, event by event."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from load.model.clock import Clock
from load.model.gateway import SimulatedGateway
from load.model.orders import Outcome, SimulatedOrder
from load.model.settlement import Settlement, settlement
from load.model.shop import ClosedLoop, Shop, Workload
from load.model.waiting_queue import WaitingQueue

Answered = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Every order of one simulated run, in the order in which it was sent."""

    duration_seconds: float
    orders: tuple[SimulatedOrder, ...]
    cold_starts: int
    billed_gb_seconds: float


def simulate(workload: Workload, shop: Shop, *, seed: int) -> Run:
    """Simulate the phase and the drain after it; the same seed gives the same run."""
    clock = Clock(min(0.0, *workload.spawn_times()) if isinstance(workload, ClosedLoop) else 0.0)
    simulated = _SimulatedShop(clock, shop)
    _drive(clock, simulated, workload, seed)
    clock.run()
    consumer = simulated.settlement
    return Run(
        duration_seconds=workload.duration_seconds,
        orders=tuple(simulated.orders),
        cold_starts=consumer.cold_starts if consumer else 0,
        billed_gb_seconds=consumer.billed_gb_seconds if consumer else 0.0,
    )


def _drive(clock: Clock, shop: "_SimulatedShop", workload: Workload, seed: int) -> None:
    if isinstance(workload, ClosedLoop):
        for user, begins in enumerate(workload.spawn_times(), start=1):
            _start_user(clock, shop, workload, user, workload.thinking(seed, user), begins)
        return
    for user, moment in enumerate(workload.moments, start=1):
        clock.at(moment, partial(shop.send, user, _nothing))


def _start_user(
    clock: Clock, shop: "_SimulatedShop", loop: ClosedLoop, user: int, thinks: Callable[[], float], begins: float
) -> None:
    def send() -> None:
        if clock.now < loop.duration_seconds:
            shop.send(user, lambda: clock.after(thinks(), send))

    clock.at(begins, send)


def _nothing() -> None:
    """An open loop's customer does not come back."""


class _SimulatedShop:
    """The API in front of the gateway and of the queue."""

    def __init__(self, clock: Clock, shop: Shop) -> None:
        self._clock = clock
        self._shop = shop
        self._gateway = SimulatedGateway(clock, capacity=shop.gateway_capacity, payment_seconds=shop.payment_seconds)
        self._gate = WaitingQueue(clock, capacity=shop.sync_limit)
        self.orders: list[SimulatedOrder] = []
        self.settlement: Settlement | None = (
            settlement(clock, gateway=self._gateway, consumer=shop.consumer) if shop.consumer else None
        )

    def send(self, user: int, answered: Answered) -> None:
        order = SimulatedOrder(user=user, sent_at=self._clock.now)
        self.orders.append(order)
        if self._shop.mode == "async":
            self._accept(order, answered)
        else:
            self._queue_at_the_gate(order, answered)

    def _accept(self, order: SimulatedOrder, answered: Answered) -> None:
        self._clock.after(self._shop.accept_seconds, partial(self._answer, order, "accepted", answered))

    def _queue_at_the_gate(self, order: SimulatedOrder, answered: Answered) -> None:
        self._gate.join(
            partial(self._settle, order, answered),
            patience=self._shop.sync_wait_seconds if self._shop.sync_limit else math.inf,
            on_give_up=partial(self._answer, order, "rejected", answered),
        )

    def _settle(self, order: SimulatedOrder, answered: Answered) -> None:
        """A settlement that has begun goes on when the deadline passes, and keeps its place in the limiter."""
        shop, clock = self._shop, self._clock

        def answer(outcome: Outcome) -> None:
            if order.outcome == "open":
                self._answer(order, outcome, answered)

        def end(outcome: Outcome) -> None:
            answer(outcome)
            self._gate.leave()

        def paid() -> None:
            order.settle(clock.now)
            end("completed")

        self._gateway.charge(
            order,
            lambda: clock.after(shop.sync_overhead_seconds, paid),
            patience=shop.admission_timeout_seconds or math.inf,
            on_give_up=lambda: end("rejected"),
        )
        if shop.sync_deadline_seconds:
            clock.at(order.sent_at + shop.sync_deadline_seconds, lambda: answer("rejected"))

    def _answer(self, order: SimulatedOrder, outcome: Outcome, answered: Answered) -> None:
        order.outcome = outcome
        order.answered_at = self._clock.now
        if order.queued and self.settlement is not None:
            self._clock.after(self._shop.delivery_seconds, partial(self.settlement.submit, order))
        answered()
