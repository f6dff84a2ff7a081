"""What a reclaimer may do next. It may suspect any session at any moment, so no safety hangs on a clock."""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.flashstock.tests.model.seller import Step
from libs.flashstock.tests.model.state import Life, Reclaim, Session, State, Write, put
from libs.flashstock.tests.model.table import Table


@dataclass(frozen=True)
class Reclaimer:
    table: Table
    session: int

    def steps(self, state: State) -> Iterator[Step]:
        session = state.sessions[self.session]
        if session.life is Life.OPEN:
            yield self._say("closes the session"), self._change(state, session._replace(life=Life.CLOSED))
        elif session.life is Life.CLOSED:
            yield from self._close_slots(state, session)
            work = state.reclaims[self.session]
            if work is None:
                yield from self._read(state, session)
            else:
                yield from self._work(state, session, work)
                yield self._say("stops, and another one begins"), self._forget(state)

    def _say(self, words: str) -> str:
        return f"reclaimer of {self.session} {words}"

    def _change(self, state: State, session: Session) -> State:
        return state._replace(sessions=put(state.sessions, self.session, session))

    def _set(self, state: State, work: Reclaim | None) -> State:
        return state._replace(reclaims=put(state.reclaims, self.session, work))

    def _forget(self, state: State) -> State:
        return self._set(state, None)

    def _close_slots(self, state: State, session: Session) -> Iterator[Step]:
        for index, slot in enumerate(session.slots):
            if slot and not slot.closed:
                slots = put(session.slots, index, slot._replace(closed=True))
                yield self._say(f"closes slot {index}"), self._change(state, session._replace(slots=slots))

    def _read(self, state: State, session: Session) -> Iterator[Step]:
        slots = [slot for slot in session.slots if slot]
        if self.table.rules.slots_close_before_lease and not all(slot.closed for slot in slots):
            return
        entries = {number for slot in slots for number in slot.page.entries}
        open_ended = tuple(sorted(number for number in entries if state.endings[self.table.guard(number)] is None))
        used = max((slot.page.used for slot in slots), default=0)
        if not self.table.rules.orders_are_journaled:
            # Without a journal only what has ended is known to be used.
            mine = [number for number, place in enumerate(self.table.world.places) if place == self.session]
            used = sum(state.endings[number] is not None for number in mine)
        yield self._say("reads the pages and the lease"), self._set(state, Reclaim(open_ended, session.lease, used))

    def _work(self, state: State, session: Session, work: Reclaim) -> Iterator[Step]:
        if work.unpublished:
            first, *rest = work.unpublished
            following = self._set(state, work._replace(unpublished=tuple(rest)))
            yield self._say(f"publishes {first}"), self.table.publish(following, first)
            late = self.table.sends(self._forget(state), Write("publish", self.session, first))
            if late:
                yield self._say(f"stops, its publish of {first} on its way"), late
        # An order that cannot be published keeps its slot and the session, and not what was never sold.
        if work.lease and session.lease:
            yield from self._close_lease(state, work, work.lease.units - work.used)
        if work.unpublished and self.table.rules.slots_wait_for_publish:
            return
        if work.lease is None or session.lease is None or not self.table.rules.lease_closes_before_slots_go:
            yield from self._delete(state, session)

    def _close_lease(self, state: State, work: Reclaim, units: int) -> Iterator[Step]:
        assert work.lease
        landed = self.table.close_lease(state, self.session, units, work.lease.sequence)
        yield self._say(f"closes the lease, {units} come back"), landed or self._forget(state)
        late = self.table.sends(self._forget(state), Write("closing", self.session, units, work.lease.sequence))
        if late:
            yield self._say("stops, its closing of the lease on its way"), late

    def _delete(self, state: State, session: Session) -> Iterator[Step]:
        for index, slot in enumerate(session.slots):
            if slot:
                gone = session._replace(slots=put(session.slots, index, None))
                yield self._say(f"deletes slot {index}"), self._change(state, gone)
                return
        if session.lease is None:
            done = self._forget(state)
            yield self._say("deletes the session"), self._change(done, session._replace(life=Life.GONE))
