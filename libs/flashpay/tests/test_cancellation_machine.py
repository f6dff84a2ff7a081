"""Cancellations among the owners, any interleaving, any faults: hypothesis looks for what the model does not find.

The steps of `libs/flashpay/tests/model`, taken by the real settle(), cancel() and refunds one await point at a time.
"""

from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from flashmsg import OrderStatus
from flashpay import Cancellation, Canceller, Reservations
from flashpay.testing import FakeRefunds, Reply, refunder_of, sample_order
from libs.flashpay.tests.actors import Actor, checkpoint
from libs.flashpay.tests.test_settlement_machine import NAMES, SettleMachine, machine_settings

# An order only ever moves on in its own line.
LINES = (
    (OrderStatus.COMPLETED, OrderStatus.REFUNDING, OrderStatus.REFUNDED),
    (OrderStatus.DECLINED,),
    (OrderStatus.CANCELLED,),
)
PAID_BACK = {OrderStatus.REFUNDING, OrderStatus.REFUNDED}


class CancelMachine(SettleMachine):
    """Drives settle(), fail(), cancel() and the reconciler's part in a refund."""

    def __init__(self) -> None:
        super().__init__()
        self.refunds = FakeRefunds(gateway=self.gateway, checkpoint=checkpoint)
        reservations = Reservations(stock=self.stock, limits=None)
        self.refunder = refunder_of(
            ledger=self.ledger, refunds=self.refunds, reservations=reservations, clock=self.clock
        )
        self.canceller = Canceller(ledger=self.ledger, refunder=self.refunder, reservations=reservations)
        self.reached: dict[str, OrderStatus] = {}
        self.told_cancelled: set[str] = set()

    # What is looked for elsewhere would only make these steps rarer.
    deliver_another_content = treat_abandoned_charges = finish_lingering_charges = plan_a_reply = None  # type: ignore[assignment]

    @precondition(lambda self: len(self.actors) < 6)
    @rule(name=st.sampled_from(NAMES))
    def call_off(self, name: str) -> None:
        order = sample_order(name)
        self._act(order, lambda: self.canceller.cancel(order.order_id))

    @rule(name=st.sampled_from(NAMES))
    def call_off_undisturbed(self, name: str) -> None:
        order = sample_order(name)
        self._undisturbed(self._act(order, lambda: self.canceller.cancel(order.order_id)))

    @rule(name=st.sampled_from(NAMES))
    def pay(self, name: str) -> None:
        order = sample_order(name)
        reservation = self._bring(order, name, 0)
        self._undisturbed(self._act(order, lambda: self.settler.settle(order, reservation=reservation)))

    @precondition(lambda self: len(self.actors) < 6)
    @rule(name=st.sampled_from(NAMES))
    def resume_a_refund(self, name: str) -> None:
        entry = self.ledger.entries.get(sample_order(name).order_id)
        if entry is not None and entry.status is OrderStatus.REFUNDING:
            self._act(entry.order, lambda: self.refunder.finish(entry))

    @rule(reply=st.sampled_from([Reply.APPROVE, Reply.LOSE, Reply.FAIL]))
    def treat_refunds(self, reply: Reply) -> None:
        self.refunds.default = reply

    @invariant()
    def an_answered_order_never_changes_again(self) -> None:
        for order_id, entry in self.ledger.entries.items():
            before = self.reached.get(order_id)
            if before is not None:
                line = next(line for line in LINES if before in line)
                assert entry.status in line[line.index(before) :]
            if any(entry.status in line for line in LINES):
                self.reached[order_id] = entry.status
            if entry.status in {OrderStatus.COMPLETED, OrderStatus.DECLINED}:
                assert self.final.setdefault(order_id, entry) == entry

    @invariant()
    def who_is_told_that_it_is_cancelled_is_never_charged(self) -> None:
        for order_id in self.told_cancelled:
            assert self.gateway.charged(order_id) == 0
        for order_id, entry in self.ledger.entries.items():
            assert entry.status is not OrderStatus.CANCELLED or self.gateway.charged(order_id) == 0

    @invariant()
    def what_is_charged_is_paid_back_at_most_once_and_only_when_it_was_decided(self) -> None:
        for order_id, entry in self.ledger.entries.items():
            refunded = self.refunds.refunded(order_id)
            assert refunded <= self.gateway.charged(order_id)
            assert not refunded or entry.status in PAID_BACK
            assert entry.status is not OrderStatus.REFUNDED or refunded == 1

    def _all_have_ended(self) -> None:
        self.refunds.default = Reply.APPROVE
        for entry in list(self.ledger.entries.values()):
            if entry.status is OrderStatus.REFUNDING:
                self._undisturbed(self._act(entry.order, partial(self.refunder.finish, entry)))
        self.an_answered_order_never_changes_again()
        self.who_is_told_that_it_is_cancelled_is_never_charged()
        self.what_is_charged_is_paid_back_at_most_once_and_only_when_it_was_decided()
        assert {entry.status for entry in self.ledger.entries.values()} <= {
            OrderStatus.COMPLETED,
            OrderStatus.DECLINED,
            OrderStatus.CANCELLED,
            OrderStatus.REFUNDED,
        }

    def _undisturbed(self, actor: Actor) -> None:
        while actor.parked is not None:
            self._resume(actor)

    def _check_outcome(self, actor: Actor) -> None:
        super()._check_outcome(actor)
        assert actor.task is not None
        if actor.task.cancelled() or actor.task.exception() is not None:
            return
        outcome = actor.task.result()
        if isinstance(outcome, Cancellation) and outcome.entry.status is OrderStatus.CANCELLED:
            self.told_cancelled.add(actor.order.order_id)
        if isinstance(outcome, Cancellation) and outcome.trouble is not None:
            assert outcome.trouble.retryable


CancelMachine.TestCase.settings = machine_settings(examples=60)
TestCancelMachine = CancelMachine.TestCase
