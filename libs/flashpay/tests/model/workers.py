"""What workers do: claim, charge, record, end the unit, acknowledge. A reconciler claims too, and looks up."""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.flashpay.tests.model.provider import Provider, without_answer
from libs.flashpay.tests.model.state import End, Process, Stage, State, Status, alike
from libs.flashpay.tests.model.stock import end_of, ended

Step = tuple[str, State]
# Beyond so many claims an attempt is as good as the last: all are told apart that a variant needs.
_ATTEMPTS = 3
_AWAITING = {Status.UNMET, Status.PENDING, Status.PROCESSING}


@dataclass(frozen=True)
class Workers:
    provider: Provider

    def steps(self, state: State) -> Iterator[Step]:
        for number, worker in enumerate(state.workers):
            if number and worker == state.workers[number - 1]:
                continue  # alike: what one of them does, the other would
            if worker.stage is Stage.IDLE:
                yield from self._begin(state, number)
            else:
                yield "a worker is killed", _with(state, number, Process())
                yield from self._go_on(state, number, worker)
        if state.leased:
            yield "the lease ends", state._replace(leased=False)
        elif state.status is Status.PROCESSING and not self.provider.rules.expired_order_stays_processing:
            yield "a sweeper frees it", state._replace(status=Status.PENDING)

    def _begin(self, state: State, number: int) -> Iterator[Step]:
        free = state.status in _AWAITING and not state.leased
        if state.queued and free:
            yield "a worker claims it", _claimed(state, number, Stage.CLAIMED)
        elif state.queued and state.status not in _AWAITING:
            status = Status.CANCELLED if state.status is Status.TOMBSTONE else state.status
            found = state._replace(status=status)
            process = Process(Stage.ENDING, end=end_of(status), acknowledges=True)
            yield f"a worker finds it {status}", _with(found, number, process)
        if free and state.status is Status.PROCESSING:
            yield "the reconciler claims it", _claimed(state, number, Stage.LOOKING)

    def _go_on(self, state: State, number: int, worker: Process) -> Iterator[Step]:
        match worker.stage:
            case Stage.CLAIMED:
                yield from self._charge(state, number, worker)
            case Stage.LOOKING:
                yield self._look_up(state, number)
            case Stage.APPROVED | Stage.DECLINED:
                yield self._record(state, number, worker)
            case _:
                yield self._end(state, number, worker)

    def _charge(self, state: State, number: int, worker: Process) -> Iterator[Step]:
        key = 0 if self.provider.rules.charge_key_is_the_order else worker.attempt
        for gateway, approved in self.provider.charge(state.gateway, key):
            answered = state._replace(gateway=gateway)
            stage = Stage.APPROVED if approved else Stage.DECLINED
            process = Process(stage, worker.attempt, acknowledges=True)
            yield f"the charge is {stage}", _with(answered, number, process)
            if state.late:
                lost = _released(answered._replace(late=state.late - 1), worker)
                yield f"the charge is {stage}, and nobody hears of it", _with(lost, number, Process())
        sent = without_answer(state, "charge", key)
        if sent:
            yield "the charge is sent, without an answer", _with(_released(sent, worker), number, Process())

    def _look_up(self, state: State, number: int) -> Step:
        if state.old and not self.provider.rules.old_charge_is_only_looked_up:
            return "it is queued again, unseen", _with(state._replace(queued=True, leased=False), number, Process())
        if state.gateway.charges or state.gateway.declined:
            stage = Stage.APPROVED if state.gateway.charges else Stage.DECLINED
            return f"the gateway knows it as {stage}", _with(state, number, Process(stage))
        if state.old:
            failed = state._replace(status=Status.FAILED, leased=False)
            return "it is given up", _with(failed, number, Process(Stage.ENDING, end=End.RETURNED))
        return "it is queued again", _with(state._replace(queued=True, leased=False), number, Process())

    def _record(self, state: State, number: int, worker: Process) -> Step:
        status = state.status
        if status is Status.PROCESSING:
            status = Status.COMPLETED if worker.stage is Stage.APPROVED else Status.DECLINED
        elif status is Status.PENDING:  # swept meanwhile
            return "the record comes too late", _with(state, number, Process())
        recorded = state._replace(status=status, leased=False)
        process = Process(Stage.ENDING, end=end_of(status), acknowledges=worker.acknowledges)
        return f"a worker records, it is {status}", _with(recorded, number, process)

    def _end(self, state: State, number: int, worker: Process) -> Step:
        done = state if worker.end is None else ended(state, worker.end, self.provider.rules)
        if worker.acknowledges:
            done = done._replace(queued=False)
        return f"the unit ends as {worker.end}", _with(done, number, Process())


def _claimed(state: State, number: int, stage: Stage) -> State:
    attempt = min(state.attempt + 1, _ATTEMPTS)
    taken = state._replace(status=Status.PROCESSING, attempt=attempt, leased=True)
    return _with(taken, number, Process(stage, attempt))


def _released(state: State, worker: Process) -> State:
    mine = state.status is Status.PROCESSING and state.attempt == worker.attempt
    return state._replace(leased=False) if mine else state


def _with(state: State, number: int, process: Process) -> State:
    workers = [*state.workers[:number], process, *state.workers[number + 1 :]]
    return state._replace(workers=alike(workers))
