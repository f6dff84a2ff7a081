"""What processors may do with a message: record the order's answer, end its reservation, acknowledge.

They keep nothing between the steps, so the search has every kill, every repeat and every number of processors. Nobody
else reads the ledger, so an answer is recorded in the step that first tries to end the reservation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.flashstock.tests.model.seller import Step
from libs.flashstock.tests.model.state import End, Entry, Guard, State, Status, Write, put
from libs.flashstock.tests.model.table import Table


@dataclass(frozen=True)
class Processor:
    table: Table

    def steps(self, state: State) -> Iterator[Step]:
        for number, waits in enumerate(state.queue):
            if not waits:
                continue
            entry = state.ledger[self.table.world.orders[number]]
            for recorded in self._record(state, number, entry):
                yield from self._end(recorded, number)
            if entry:
                yield from self._end(state, number)
                yield from self._redrive(state, number, entry)
            if self.table.has_ended(state, number):
                left = put(state.queue, number, item=False)
                yield f"processor acknowledges {number}", state._replace(queue=left)

    def _record(self, state: State, number: int, entry: Entry | None) -> Iterator[State]:
        world = self.table.world
        answers = [Status.COMPLETED, *([Status.DECLINED] * world.declines), *([Status.FAILED] * world.fails)]
        if entry and (entry.status is not Status.CHARGING or entry.reservation != number):
            answers = [Status.COMPLETED] if world.late_answers and entry.status is Status.FAILED else []
        for status in answers:
            yield self._set(state, number, status)

    def _set(self, state: State, number: int, status: Status, opened: int = 0) -> State:
        order = self.table.world.orders[number]
        before = state.ledger[order]
        entry = Entry(status, number, max(opened, before.opened if before else 0))
        return state._replace(ledger=put(state.ledger, order, entry))

    def _redrive(self, state: State, number: int, entry: Entry) -> Iterator[Step]:
        """Claim and reopen, in either order, then charge."""
        if entry.reservation != number:
            return
        failed, claim_first = entry.status is Status.FAILED, not self.table.world.reopens_first
        opened = entry.opened + (failed and 1)
        reopened = self.table.reopen(state, number, opened)
        if failed and opened <= self.table.world.redrives and claim_first:
            yield f"{number} is redriven, and claimed", self._set(state, number, Status.CLAIMED, opened)
        elif failed and opened <= self.table.world.redrives and reopened:
            yield f"{number} is redriven, and reopened", reopened
            if state.endings[self.table.guard(number)] == Guard(End.REOPENED, opened):
                yield f"{number} is claimed", self._set(state, number, Status.CHARGING, opened)
        elif entry.status is Status.CLAIMED and reopened:
            yield f"{number} is reopened", self._set(reopened, number, Status.CHARGING)
        elif entry.status is Status.CLAIMED:
            yield f"{number} cannot be reopened: sold out", self._set(state, number, Status.FAILED)

    def _end(self, state: State, number: int) -> Iterator[Step]:
        rules, entry = self.table.rules, state.ledger[self.table.world.orders[number]]
        guard = state.endings[self.table.guard(number)]
        assert entry
        if entry.status in {Status.CLAIMED, Status.CHARGING}:
            return
        words = f"processor finds {number} {entry.status!r}"
        its_own = entry.reservation == number or not rules.ledger_keeps_the_reservation
        end = End.SOLD if entry.status is Status.COMPLETED and its_own else End.RETURNED
        if end is End.SOLD and guard and guard.end is End.RETURNED and rules.late_answer_takes_a_unit:
            yield f"{words}, after it was returned", self.table.settled(self.table.sell_returned(state, number), number)
            return
        # The count is that of the entry which decides the end: the guard may be newer than what was read.
        opened = entry.opened * its_own
        ended = self.table.end(state, number, end, opened)
        yield f"{words}, ends it as {end!r}", self.table.settled(ended or state, number)
        late = self.table.sends(state, Write("ending", 0, number, opened, end=end))
        if ended and late:
            yield f"{words}, ends it as {end!r}: no answer, on its way", late
