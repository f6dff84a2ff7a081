"""What processors may do with a message: record the order's answer, end its reservation, acknowledge.

They keep nothing between the steps, so the search has every kill, every repeat and every number of processors. Nobody
else reads the ledger, so an answer is recorded in the step that first tries to end the reservation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.flashstock.tests.model.seller import Step
from libs.flashstock.tests.model.state import End, Entry, State, Status, Write, put
from libs.flashstock.tests.model.table import Table


@dataclass(frozen=True)
class Processor:
    table: Table

    def steps(self, state: State) -> Iterator[Step]:
        for number, waits in enumerate(state.queue):
            if not waits:
                continue
            entry = state.ledger[self.table.world.orders[number]]
            if entry is None or entry.status is Status.FAILED:
                for recorded in self._record(state, number, entry):
                    yield from self._end(recorded, number)
            if entry:
                yield from self._end(state, number)
                if state.endings[self.table.guard(number)] is not None:
                    left = put(state.queue, number, item=False)
                    yield f"processor acknowledges {number}", state._replace(queue=left)

    def _record(self, state: State, number: int, entry: Entry | None) -> Iterator[State]:
        world = self.table.world
        answers = [Status.COMPLETED]
        if world.declines:
            answers.append(Status.DECLINED)
        if world.fails and entry is None:
            answers.append(Status.FAILED)
        for status in answers:
            known = Entry(status, entry.reservation if entry else number)
            yield state._replace(ledger=put(state.ledger, world.orders[number], known))

    def _end(self, state: State, number: int) -> Iterator[Step]:
        rules, entry = self.table.rules, state.ledger[self.table.world.orders[number]]
        assert entry
        words = f"processor finds {number} {entry.status!r}"
        if entry.status is Status.FAILED and rules.failed_keeps_its_units:
            yield words, state
            return
        its_own = entry.reservation == number or not rules.ledger_keeps_the_reservation
        end = End.SOLD if entry.status is Status.COMPLETED and its_own else End.RETURNED
        ended = self.table.end(state, number, end)
        yield f"{words}, ends it as {end!r}", self.table.settled(ended or state, number)
        late = self.table.sends(state, Write("ending", 0, number, end=end))
        if ended and late:
            yield f"{words}, ends it as {end!r}: no answer, on its way", late
