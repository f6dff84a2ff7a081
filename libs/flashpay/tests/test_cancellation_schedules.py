"""The histories of the model, by the real code: settle(), cancel() and refunds, one await point at a time.

Every seed is a schedule of two workers, two cancellations and a reconciler at one order, with kills, lost messages and
leases that end; what must hold in the model must hold here after every step.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from flashmsg import OrderStatus
from flashpay import (
    Cancellation,
    Canceller,
    Duplicate,
    FlashpayError,
    GatewayUnavailableError,
    LedgerEntry,
    LedgerUnavailableError,
    NotCharged,
    Reservations,
    Settled,
    Settler,
)
from flashpay.testing import (
    KEY_WINDOW,
    FakeGateway,
    FakeRefunds,
    FakeStock,
    ManualClock,
    MemoryLedger,
    Reply,
    cancel,
    refunder_of,
    sample_order,
    sample_reservation,
)
from flashstock.errors import StockUnavailableError
from libs.flashpay.tests.actors import ACTOR, Actor, DeathError, checkpoint

LEASE = timedelta(seconds=30)
ORDER = sample_order()
RESERVATION = sample_reservation()
ENDS = {OrderStatus.COMPLETED, OrderStatus.DECLINED, OrderStatus.CANCELLED, OrderStatus.REFUNDED}
SCHEDULES = 250
STEPS = 40
# More turns of the loop than anything takes between two await points of the fakes.
TURNS = 24
ERRORS: dict[str, Callable[..., Exception]] = dict.fromkeys(("charge", "lookup", "refund"), GatewayUnavailableError)
ERRORS |= {"settle": StockUnavailableError}
# An order only ever moves on in its own line.
PAID = (OrderStatus.COMPLETED, OrderStatus.REFUNDING, OrderStatus.REFUNDED)
LINES = (PAID, (OrderStatus.DECLINED,), (OrderStatus.CANCELLED,))


class Schedule:
    """One order, and what its seed lets happen to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - repeats what failed
        self.clock = ManualClock()
        self.ledger = MemoryLedger(clock=self.clock, checkpoint=checkpoint)
        self.gateway = FakeGateway(checkpoint=checkpoint)
        self.refunds = FakeRefunds(gateway=self.gateway, checkpoint=checkpoint)
        self.stock = FakeStock(checkpoint=checkpoint)
        self.settler = Settler(
            ledger=self.ledger,
            gateway=self.gateway,
            stock=self.stock,
            owner="worker",
            lease=LEASE,
            clock=self.clock,
            sleep=self._look_again_later,
        )
        reservations = Reservations(stock=self.stock, limits=None)
        self.refunder = refunder_of(
            ledger=self.ledger, refunds=self.refunds, reservations=reservations, clock=self.clock
        )
        self.canceller = Canceller(ledger=self.ledger, refunder=self.refunder, reservations=reservations)
        self.actors: list[Actor] = []
        self.reached: OrderStatus | None = None
        self.told_cancelled = False
        self.queued = True
        self.forgotten = False

    async def _look_again_later(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await checkpoint("hold")

    @property
    def entry(self) -> LedgerEntry | None:
        return self.ledger.entries.get(ORDER.order_id)

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            for actor in self.actors:  # none, unless something is wrong
                actor.free = True
                if actor.parked is not None and not actor.parked.done():
                    actor.parked.set_result(None)
            await asyncio.gather(*(actor.task for actor in self.actors if actor.task), return_exceptions=True)

    async def _run(self) -> None:
        await self.stock.set_up(total=10, reserved=2)
        if self.chance.random() < 0.5:
            await self.ledger.accept(ORDER, reservation=RESERVATION)
        if self.chance.random() < 0.2:
            self.gateway.plan(Reply.DECLINE)
        for _ in range(STEPS):
            if len(self.actors) < 4 and self.chance.random() < 0.3:
                await self._begin(self.chance.choice((self._settle, self._settle, self._cancel, self._resume)))
            await self._step()
            self._check()
        await self._come_right()

    async def _settle(self) -> object:
        return None if not self.queued else await self.settler.settle(ORDER, reservation=RESERVATION, redriven=True)

    async def _cancel(self) -> object:
        return await cancel(self.canceller, ORDER.order_id)

    async def _resume(self) -> object:
        """As the reconciler does."""
        entry = self.entry
        if entry is not None and entry.status is OrderStatus.REFUNDING:
            return await self.refunder.finish(entry)
        return await self.settler.find_out(ORDER) if entry is not None else None

    async def _begin(self, act: Callable[[], Coroutine[Any, Any, object]]) -> Actor:
        actor = Actor(ORDER)
        token = ACTOR.set(actor)  # inherited by the task and by those that it starts
        actor.task = asyncio.create_task(act())
        ACTOR.reset(token)
        self.actors.append(actor)
        await self._spin()
        return actor

    async def _step(self) -> None:
        self.refunds.default = self.chance.choice((Reply.APPROVE, Reply.APPROVE, Reply.LOSE, Reply.FAIL))
        self.gateway.plan(self.chance.choice((Reply.APPROVE, Reply.APPROVE, Reply.LOSE, Reply.FAIL)))
        if self.chance.random() < 0.05:
            self.clock.advance(LEASE)
        parked = [actor for actor in self.actors if actor.parked is not None]
        if not parked:
            return
        actor, luck = self.chance.choice(parked), self.chance.random()
        if actor.place == "hold":
            await self._go_on(actor)  # nothing is on its way
        elif luck < 0.04:
            await self._go_on(actor, DeathError())
        elif luck < 0.1:
            error = ERRORS.get(actor.place.partition(".")[0], LedgerUnavailableError)
            await self._go_on(actor, error("lost on the way", reason="connection"))
        else:
            await self._go_on(actor)

    async def _forget_refunds(self) -> None:
        """The gateway does, once nobody who knew its answer is left: the ledger must have it, if the units are back."""
        if self.entry is None or self.entry.status is not OrderStatus.REFUNDING:
            return
        if self.entry.refund_id is not None or await self.stock.level() == (10, 0, 0):
            self.clock.advance(KEY_WINDOW)
            self.refunds.answers.clear()
            self.forgotten = True

    async def _go_on(self, actor: Actor, error: BaseException | None = None) -> None:
        if actor.parked is not None and error is None:
            actor.parked.set_result(None)
        elif actor.parked is not None and error is not None:
            actor.parked.set_exception(error)
        await self._spin()

    async def _spin(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        for actor in [actor for actor in self.actors if actor.task is not None and actor.task.done()]:
            self.actors.remove(actor)
            self._hear(actor)

    def _hear(self, actor: Actor) -> None:
        assert actor.task is not None
        error = actor.task.exception()
        if error is not None:
            assert isinstance(error, DeathError) or (isinstance(error, FlashpayError) and error.retryable), error
            return
        said = actor.task.result()
        if isinstance(said, Cancellation):
            assert said.trouble is None or said.trouble.retryable
            self.told_cancelled |= said.entry.status is OrderStatus.CANCELLED
        elif isinstance(said, Settled | Duplicate):
            self.queued = False  # acknowledged
        elif isinstance(said, NotCharged):
            self.queued = True  # by the reconciler

    def _check(self) -> None:
        charged, refunded = self.gateway.charged(ORDER.order_id), self.refunds.refunded(ORDER.order_id)
        assert refunded <= charged <= 1
        assert not (self.told_cancelled and charged)
        if self.entry is None:
            return
        status = self.entry.status
        assert not refunded or status in PAID[1:]
        assert refunded or status is not OrderStatus.REFUNDED
        assert charged or status not in PAID
        assert not charged or status is OrderStatus.PROCESSING or status in PAID
        line = next((line for line in LINES if self.reached in line), None)
        assert line is None or status in line[line.index(self.reached) :]
        self.reached = status if any(status in line for line in LINES) else None

    async def _come_right(self) -> None:
        self.refunds.default = Reply.APPROVE
        killed = self.chance.random() < 0.5
        while self.actors:
            await self._go_on(self.actors[0], DeathError() if killed else None)
        await self._forget_refunds()
        self.gateway.plan(*[Reply.APPROVE] * 99)
        for _ in range(STEPS * 2):
            self.clock.advance(LEASE)
            await self._undisturbed(self._settle)
            await self._undisturbed(self._resume)
            if not self.queued and self.entry is not None and self.entry.status.is_terminal:
                break
        assert self.entry is not None
        assert self.entry.status.is_terminal
        assert not self.queued
        self._check()
        sold = self.entry.status is OrderStatus.COMPLETED
        assert await self.stock.level() == ((8, 0, 2) if sold else (10, 0, 0))

    async def _undisturbed(self, act: Callable[[], Coroutine[Any, Any, object]]) -> None:
        actor = await self._begin(act)
        while actor.parked is not None:
            await self._go_on(actor)


@pytest.mark.parametrize("part", range(5))
async def test_whatever_happens_an_order_is_charged_once_or_called_off_or_charged_and_paid_back_once(part: int) -> None:
    for seed in range(part, SCHEDULES, 5):
        schedule = Schedule(seed)
        try:
            await schedule.run()
        except AssertionError as exc:
            raise AssertionError(f"schedule {seed}") from exc
        assert schedule.entry is not None
        assert schedule.entry.status in ENDS, f"schedule {seed}"


async def test_the_schedules_reach_every_end() -> None:
    ends, forgotten = set(), 0
    for seed in range(60):
        schedule = Schedule(seed)
        await schedule.run()
        assert schedule.entry is not None
        ends.add(schedule.entry.status)
        forgotten += schedule.forgotten
    assert ends == ENDS
    assert forgotten, "a gateway that forgets a refund before its order has come to its end"
