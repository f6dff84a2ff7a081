"""Any number of owners, any interleaving, any faults: hypothesis looks for an order that is charged or sold twice."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flashmsg import Order, OrderStatus, Reservation
from flashpay import (
    Approved,
    FlashpayError,
    GatewayUnavailableError,
    LedgerEntry,
    LedgerUnavailableError,
    Mismatch,
    Settled,
    Settler,
)
from flashpay.testing import Abandonment, FakeGateway, FakeStock, ManualClock, MemoryLedger, Reply, sample_order
from flashpay.testing import sample_reservation as reserved_by
from flashstock.errors import StockUnavailableError
from libs.flashpay.tests.actors import ACTOR, Actor, DeathError, checkpoint

LEASE = timedelta(seconds=30)
NAMES = ("one", "two")
PRICES = (1999, 1)
# Of every order, each of two units; the last came with another content under the same id.
RESERVATIONS = {name: [reserved_by(f"{name} {number}") for number in (1, 2, 3)] for name in NAMES}
UNITS = 2 * sum(map(len, RESERVATIONS.values()))
BROUGHT = st.sampled_from([0, 1])
# More turns of the loop than any step of settle() takes between two await points of the fakes.
TURNS = 24
STEPS = 40
ERRORS: dict[str, Callable[..., Exception]] = dict.fromkeys(("charge", "lookup"), GatewayUnavailableError)
ERRORS |= dict.fromkeys(("settle", "reopen"), StockUnavailableError)


class SettleMachine(RuleBasedStateMachine):
    """Drives settle() and fail() one await point at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.ledger = MemoryLedger(clock=self.clock, checkpoint=checkpoint)
        self.gateway = FakeGateway(checkpoint=checkpoint, on_abandon=Abandonment.FINISH)
        self.stock = FakeStock(checkpoint=checkpoint)
        self.runner.run(self.stock.set_up(total=UNITS, reserved=UNITS))
        self.settler = Settler(
            ledger=self.ledger,
            gateway=self.gateway,
            stock=self.stock,
            owner="worker",
            lease=LEASE,
            patience=LEASE,
            clock=self.clock,
            sleep=self.look_again_later,
        )
        self.actors: list[Actor] = []
        self.first: dict[str, LedgerEntry] = {}
        self.final: dict[str, LedgerEntry] = {}
        self.settled: Counter[str] = Counter()
        self.brought: dict[tuple[str, str], tuple[Order, Reservation]] = {}

    async def look_again_later(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await checkpoint("hold")

    # What can happen

    @precondition(lambda self: len(self.actors) < 6)
    @rule(name=st.sampled_from(NAMES), price=st.sampled_from(PRICES), brought=st.none() | BROUGHT)
    def deliver(self, name: str, price: int, brought: int | None) -> None:
        order = sample_order(name, unit_price_minor=price)
        reservation = None if brought is None else self._bring(order, name, brought)
        self._act(order, lambda: self.settler.settle(order, reservation=reservation))

    @precondition(lambda self: len(self.actors) < 6)
    @rule(name=st.sampled_from(NAMES))
    def deliver_another_content(self, name: str) -> None:
        order = sample_order(name, quantity=3)
        reservation = self._bring(order, name, 2)
        self._act(order, lambda: self.settler.settle(order, reservation=reservation))

    @precondition(lambda self: len(self.actors) < 6)
    @rule(name=st.sampled_from(NAMES), price=st.sampled_from(PRICES), quantity=st.sampled_from([2, 3]))
    def accept(self, name: str, price: int, quantity: int) -> None:
        order = sample_order(name, unit_price_minor=price, quantity=quantity)
        self._act(order, lambda: self.ledger.accept(order))

    @rule(name=st.sampled_from(NAMES), brought=BROUGHT)
    def give_up(self, name: str, brought: int) -> None:
        order = sample_order(name)
        reservation = self._bring(order, name, brought)
        self._act(order, lambda: self.settler.give_up(order, reason="exhausted", reservation=reservation))

    @precondition(lambda self: len(self.actors) < 6)
    @rule(name=st.sampled_from(NAMES), brought=BROUGHT)
    def redrive(self, name: str, brought: int) -> None:
        order = sample_order(name)
        reservation = self._bring(order, name, brought)
        self._act(order, lambda: self.settler.settle(order, reservation=reservation, redriven=True))

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        self._resume(self._choose(data))

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def go_on_to_the_end(self, data: st.DataObject) -> None:
        actor = self._choose(data)
        while actor.parked is not None:
            self._resume(actor)

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        self._resume(self._choose(data), DeathError())

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def lose_a_message(self, data: st.DataObject) -> None:
        actor = self._choose(data)
        if actor.place == "hold":
            return  # nothing is on its way
        error = ERRORS.get(actor.place.partition(".")[0], LedgerUnavailableError)
        self._resume(actor, error("lost on the way", reason="connection"))

    @precondition(lambda self: self.actors)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        actor = self._choose(data)
        assert actor.task is not None
        actor.task.cancel()
        self._spin()

    @rule(seconds=st.sampled_from([1, 29, 30, 31]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    @rule(reply=st.sampled_from([Reply.APPROVE, Reply.DECLINE, Reply.FAIL, Reply.LOSE]))
    def plan_a_reply(self, reply: Reply) -> None:
        self.gateway.plan(reply)

    @rule(abandonment=st.sampled_from([Abandonment.FINISH, Abandonment.DROP, Abandonment.LINGER]))
    def treat_abandoned_charges(self, abandonment: Abandonment) -> None:
        self.gateway.on_abandon = abandonment

    @rule()
    def finish_lingering_charges(self) -> None:
        self.gateway.finish_lingering()

    # What must hold after every step

    @invariant()
    def nobody_is_charged_twice(self) -> None:
        assert all(self.gateway.charged(sample_order(name).order_id) <= 1 for name in NAMES)

    @invariant()
    def the_first_claim_fixes_content_and_amount(self) -> None:
        for order_id, entry in self.ledger.entries.items():
            first = self.first.setdefault(order_id, entry)
            assert (entry.fingerprint, entry.order) == (first.fingerprint, first.order)
        for request in self.gateway.requests:
            assert request.amount_minor == self.first[request.order_id].total_minor

    @invariant()
    def an_answered_order_never_changes_again(self) -> None:
        for order_id, entry in self.ledger.entries.items():
            if entry.status in {OrderStatus.COMPLETED, OrderStatus.DECLINED}:
                assert self.final.setdefault(order_id, entry) == entry
            else:
                assert order_id not in self.final

    @invariant()
    def the_ledger_says_what_the_gateway_answered(self) -> None:
        for order_id, entry in self.final.items():
            answer = self.gateway.answers[order_id]
            if entry.status is OrderStatus.COMPLETED:
                assert answer.result == Approved(charge_id=entry.charge_id or "")
                assert (answer.request.amount_minor, self.gateway.charged(order_id)) == (entry.total_minor, 1)
            else:
                assert (answer.result, self.gateway.charged(order_id)) == (answer.result, 0)
                assert not isinstance(answer.result, Approved)

    @invariant()
    def at_most_one_attempt_says_that_it_settled_the_order(self) -> None:
        assert all(times <= 1 for times in self.settled.values())

    @invariant()
    def units_are_neither_lost_nor_made(self) -> None:
        self.runner.run(self.stock.level())  # contradictions raise

    def teardown(self) -> None:
        try:
            self._everything_comes_right()
        finally:
            for actor in self.actors:
                if actor.task is not None:
                    actor.task.cancel()
            self.runner.close()
        super().teardown()

    # How it is done

    def _everything_comes_right(self) -> None:
        for actor in list(self.actors):
            while actor.parked is not None:
                self._resume(actor)
        assert not self.actors
        self.gateway.finish_lingering()
        self.clock.advance(LEASE)
        self.gateway.plan(Reply.APPROVE)
        for entry in list(self.ledger.entries.values()):
            self._settle_undisturbed(entry.order, entry.reservation)
        for order, reservation in self.brought.values():
            self._settle_undisturbed(order, reservation)
        for check in (
            self.an_answered_order_never_changes_again,
            self.nobody_is_charged_twice,
            self.the_first_claim_fixes_content_and_amount,
            self.the_ledger_says_what_the_gateway_answered,
            self.at_most_one_attempt_says_that_it_settled_the_order,
        ):
            check()
        assert set(self.final) == set(self.ledger.entries)
        self._every_reservation_has_ended_rightly()

    def _every_reservation_has_ended_rightly(self) -> None:
        ended = {reservation.id for _, reservation in self.brought.values()}
        sold = {
            entry.reservation.id
            for entry in self.final.values()
            if entry.status is OrderStatus.COMPLETED and entry.reservation is not None
        }
        level = (2 * len(ended - sold), UNITS - 2 * len(ended), 2 * len(sold))
        assert self.runner.run(self.stock.level()) == level

    def _bring(self, order: Order, name: str, number: int) -> Reservation:
        reservation = RESERVATIONS[name][number]
        self.brought[order.fingerprint, reservation.id] = order, reservation
        return reservation

    def _settle_undisturbed(self, order: Order, reservation: Reservation | None) -> None:
        self.gateway.default = Reply.APPROVE
        # Planned failures may still be in the way; there are fewer than steps.
        for _ in range(STEPS + 1):
            actor = self._act(order, lambda: self.settler.settle(order, reservation=reservation, redriven=True))
            while actor.parked is not None:
                self._resume(actor)
            if self.ledger.entries[order.order_id].status in {OrderStatus.COMPLETED, OrderStatus.DECLINED}:
                return
            self.clock.advance(LEASE)

    def _act(self, order: Order, act: Callable[[], Coroutine[Any, Any, object]]) -> Actor:
        actor = Actor(order)

        async def begin() -> None:
            token = ACTOR.set(actor)  # inherited by the task and by those that it starts
            actor.task = asyncio.create_task(act())
            ACTOR.reset(token)

        self.actors.append(actor)
        self.runner.run(begin())
        self._spin()
        return actor

    def _choose(self, data: st.DataObject) -> Actor:
        return self.actors[data.draw(st.integers(0, len(self.actors) - 1), label="actor")]

    def _resume(self, actor: Actor, error: BaseException | None = None) -> None:
        if actor.parked is not None and not actor.parked.done():
            if error is None:
                actor.parked.set_result(None)
            else:
                actor.parked.set_exception(error)
        self._spin()

    def _spin(self) -> None:
        async def turn() -> None:
            for _ in range(TURNS):
                await asyncio.sleep(0)

        self.runner.run(turn())
        for actor in [actor for actor in self.actors if actor.task is not None and actor.task.done()]:
            self.actors.remove(actor)
            self._check_outcome(actor)

    def _check_outcome(self, actor: Actor) -> None:
        assert actor.task is not None
        if actor.task.cancelled():
            return
        error = actor.task.exception()
        if error is None:
            outcome = actor.task.result()
            if isinstance(outcome, Settled):
                assert outcome.entry.status.is_terminal
                self.settled[actor.order.order_id] += 1
            if isinstance(outcome, Mismatch):
                assert outcome.entry.fingerprint != actor.order.fingerprint
        else:
            assert isinstance(error, FlashpayError | DeathError), error
            assert isinstance(error, DeathError) or error.retryable, error


SettleMachine.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestSettleMachine = SettleMachine.TestCase
