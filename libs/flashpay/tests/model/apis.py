"""What processes of the API do with a cancellation, and the reconciler with a refund that was left: the same."""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.flashpay.tests.model.provider import Provider, without_answer
from libs.flashpay.tests.model.state import End, Process, Stage, State, Status, alike
from libs.flashpay.tests.model.stock import ended
from libs.flashpay.tests.model.workers import Step

_TRIES = 3


@dataclass(frozen=True)
class Apis:
    provider: Provider

    def steps(self, state: State) -> Iterator[Step]:
        for number, api in enumerate(state.apis):
            if number and api == state.apis[number - 1]:
                continue
            if api.stage is Stage.IDLE:
                yield from self._cancel(state, number)
            else:
                yield "an API is killed", _with(state, number, Process())
                yield from self._go_on(state, number, api)
        yield from _key_windows(state)

    def _cancel(self, state: State, number: int) -> Iterator[Step]:
        rules = self.provider.rules
        match state.status:
            case Status.UNMET | Status.PENDING if not rules.cancelled_on_a_condition:
                yield "a cancellation reads that it may be", _with(state, number, Process(Stage.CHECKED))
            case Status.UNMET if not rules.unmet_order_gets_a_tombstone:
                yield "a cancellation says so, and writes nothing", state._replace(told=True)
            case Status.UNMET:
                yield "it is cancelled by a tombstone", state._replace(status=Status.TOMBSTONE, told=True)
            case Status.PENDING:
                yield self._called_off(state, number)
            case Status.PROCESSING if not state.leased and not rules.processing_order_is_not_cancelled:
                yield self._called_off(state, number)
            case Status.COMPLETED:
                status = Status.REFUNDING if rules.refund_is_decided_first else Status.COMPLETED
                decided = state._replace(status=status)
                yield "a refund is decided on", _with(decided, number, Process(Stage.DECIDED))
            case Status.REFUNDING:
                yield "a refund is resumed", _with(state, number, Process(Stage.DECIDED))
            case _:
                return

    def _called_off(self, state: State, number: int) -> Step:
        off = state._replace(status=Status.CANCELLED, leased=False, told=True)
        return "it is cancelled", _with(off, number, Process(Stage.RETURNING))

    def _go_on(self, state: State, number: int, api: Process) -> Iterator[Step]:
        match api.stage:
            case Stage.CHECKED:
                yield self._called_off(state, number)
            case Stage.RETURNING:
                yield "the unit is returned", _with(ended(state, End.RETURNED, self.provider.rules), number, Process())
            case Stage.DECIDED:
                yield from self._pay_back(state, number)
            case Stage.PAID_BACK if self.provider.rules.refund_is_noted_before_its_unit and state.units is not None:
                yield "the refund is noted", _with(state._replace(noted=True), number, Process(Stage.NOTED))
            case Stage.PAID_BACK | Stage.NOTED if self.provider.rules.units_return_before_the_record:
                back = ended(state, End.REFUNDED, self.provider.rules)
                yield "the unit is for sale again", _with(back, number, Process(Stage.RETURNED))
            case Stage.PAID_BACK | Stage.NOTED:
                recorded = state._replace(status=Status.REFUNDED)
                yield "the refund is recorded", _with(recorded, number, Process(Stage.RETURNED))
            case _:
                yield self._finish(state, number)

    def _finish(self, state: State, number: int) -> Step:
        if self.provider.rules.units_return_before_the_record:
            return "the refund is recorded", _with(state._replace(status=Status.REFUNDED), number, Process())
        return "the unit is for sale again", _with(ended(state, End.REFUNDED, self.provider.rules), number, Process())

    def _pay_back(self, state: State, number: int) -> Iterator[Step]:
        rules = self.provider.rules
        if state.noted:
            yield "the refund was noted before", _with(state, number, Process(Stage.NOTED))
            return
        if state.refund_old and rules.old_refund_is_only_looked_up:
            found = Process(Stage.PAID_BACK) if state.finds_refund else Process()
            knows = "knows" if state.finds_refund else "does not know"
            yield f"the gateway {knows} of the refund", _with(state, number, found)
            return
        tries = state.tries if rules.refund_key_is_the_order else min(state.tries + 1, _TRIES)
        asked = state._replace(tries=tries)
        made = asked._replace(gateway=self.provider.refund(state.gateway, tries))
        yield "it is paid back", _with(made, number, Process(Stage.PAID_BACK))
        if state.late:
            yield (
                "it is paid back, and nobody hears of it",
                _with(made._replace(late=state.late - 1), number, Process()),
            )
        sent = without_answer(asked, "refund", tries)
        if sent:
            yield "a refund is sent, without an answer", _with(sent, number, Process())


def _key_windows(state: State) -> Iterator[Step]:
    """The gateway forgets a key long after a request could be on its way, or the order's message in a queue."""
    if not state.is_idle or state.queued:
        return
    if not state.old and state.attempt:
        forgotten = state.gateway._replace(charge_keys=())
        yield "the gateway forgets the charge's key", state._replace(old=True, gateway=forgotten)
    if not state.refund_old and state.status in {Status.REFUNDING, Status.REFUNDED}:
        forgotten = state.gateway._replace(refund_keys=())
        yield "the gateway forgets the refund's key", state._replace(refund_old=True, gateway=forgotten)
        if state.status is Status.REFUNDING:
            forgotten = forgotten._replace(refunds_forgotten=True)
            yield "the gateway forgets the refund", state._replace(refund_old=True, gateway=forgotten)


def _with(state: State, number: int, process: Process) -> State:
    apis = [*state.apis[:number], process, *state.apis[number + 1 :]]
    return state._replace(apis=alike(apis))
