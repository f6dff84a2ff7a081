"""What a selling process may do next: lease, hold, journal, publish, withdraw, give back."""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.flashstock.tests.model.state import (
    SOLD_OUT,
    Life,
    Page,
    Process,
    Session,
    Slot,
    Stage,
    State,
    Told,
    Write,
    put,
)
from libs.flashstock.tests.model.table import Table

Step = tuple[str, State]


@dataclass(frozen=True)
class Seller:
    table: Table
    session: int

    def steps(self, state: State) -> Iterator[Step]:
        mine = [number for number, place in enumerate(self.table.world.places) if place == self.session]
        if not self._memory(state).fenced:
            if self.table.rules.units_are_leased:
                yield from self._leases(state, mine)
                yield from self._returns(state, mine)
            yield from self._pages(state, mine)
        for page in self._memory(state).pages:
            yield self._repeat_page(state, page)
        for reservation in mine:
            yield from self._requests(state, reservation)
        if self.table.world.reopens and state.sessions[self.session].life is Life.GONE:
            yield from self._reopen(state, mine)

    def _memory(self, state: State) -> Process:
        return state.processes[self.session]

    def _remember(self, state: State, **changes: object) -> State:
        changed = self._memory(state)._replace(**changes)  # type: ignore[arg-type]
        if changed.fenced:  # what else it remembers is of no use any more
            changed = Process(fenced=True, pages=changed.pages)
        return state._replace(processes=put(state.processes, self.session, changed))

    def _say(self, words: str) -> str:
        return f"process {self.session} {words}"

    def _reopen(self, state: State, mine: list[int]) -> Iterator[Step]:
        """Open another session, here under the same number: so the first one must have left nothing behind."""
        left = {state.stages[number] for number in mine} - {Stage.NEW, Stage.HELD, Stage.DONE}
        if left or state.flight:
            return
        for number in mine:
            if state.stages[number] is Stage.HELD and self.table.rules.hold_ends_with_session:
                state = _tell(_stage(state, number, Stage.DONE), number, accepted=False)
        opened = Session(Life.OPEN, (Slot(),) * self.table.world.slots)
        state = state._replace(processes=put(state.processes, self.session, Process()))
        yield self._say("opens another session"), state._replace(sessions=put(state.sessions, self.session, opened))

    # Leases

    def _leases(self, state: State, mine: list[int]) -> Iterator[Step]:
        memory = self._memory(state)
        wanted = any(state.stages[number] is Stage.NEW for number in mine) and not memory.idle
        if not (memory.unsure or (wanted and state.available)) or memory.sequence >= self.table.world.leases:
            return
        for units in {min(1, state.available), state.available}:
            yield from self._change_lease(state, mine, units, f"leases {units}")

    def _returns(self, state: State, mine: list[int]) -> Iterator[Step]:
        memory = self._memory(state)
        if memory.unsure or not memory.idle or memory.sequence >= self.table.world.leases:
            return
        units = memory.idle
        if not self.table.rules.idle_excludes_used:
            units += memory.used
        yield from self._change_lease(self._remember(state, idle=0), mine, -units, f"gives {units} idle back")

    def _change_lease(self, state: State, mine: list[int], units: int, words: str) -> Iterator[Step]:
        sequence = self._memory(state).sequence
        landed = self.table.lease(state, self.session, units, sequence)
        yield self._say(words), self._learn_lease(landed or state, mine)
        late = self.table.sends(state, Write("lease", self.session, units, sequence))
        if late:
            yield self._say(f"{words}: no answer, on its way"), self._remember(late, unsure=True, idle=0)

    def _learn_lease(self, state: State, mine: list[int]) -> State:
        """Whatever has landed, what the item says now is the truth, as nothing older can land any more."""
        lease = state.sessions[self.session].lease
        if lease is None:
            fenced = self.table.rules.lease_stays_with_session or state.sessions[self.session].life is not Life.OPEN
            return self._remember(state, fenced=fenced, idle=0, unsure=False, sequence=0)
        held = sum(state.stages[number] in {Stage.HELD, Stage.SENT} for number in mine)
        idle = lease.units - self._memory(state).used - held
        return self._remember(state, sequence=lease.sequence, idle=max(0, idle), unsure=False)

    # The journal

    def _pages(self, state: State, mine: list[int]) -> Iterator[Step]:
        memory = self._memory(state)
        ready = Stage.HELD if self.table.rules.journal_comes_before_publish else Stage.SENT
        entries = tuple(number for number in mine if state.stages[number] is ready)
        slot = self._free_slot(state, mine)
        most = 1 if self.table.rules.one_page_at_a_time else 2
        if not self.table.rules.orders_are_journaled or not entries or slot is None or len(memory.pages) >= most:
            return
        page = Page(slot, memory.written + 1, memory.used + len(entries), entries)
        waiting = self._remember(state, written=page.sequence, used=page.used, pages=(*memory.pages, page))
        for number in entries:
            waiting = _stage(waiting, number, Stage.PAGED)._replace(slots=put(waiting.slots, number, slot))
        yield self._say(f"journals {entries}"), self._repeat_page(waiting, page)[1]
        late = self.table.sends(waiting, Write("page", self.session, 0, page=page))
        if late:
            yield self._say(f"journals {entries}: no answer, on its way"), late

    def _free_slot(self, state: State, mine: list[int]) -> int | None:
        done = {Stage.DONE} if self.table.rules.slot_waits_for_certainty else {Stage.DONE, Stage.DOUBT}
        busy = {state.slots[number] for number in mine if state.stages[number] not in done}
        return next((slot for slot in range(self.table.world.slots) if slot not in busy), None)

    def _repeat_page(self, state: State, page: Page) -> Step:
        words = self._say(f"writes the page of {page.entries}")
        left = tuple(other for other in self._memory(state).pages if other != page)
        known = self._remember(state, pages=left)
        slot = state.sessions[self.session].slots[page.slot]
        landed = self.table.page(known, self.session, page)
        if landed or (slot and slot.page.sequence == page.sequence):
            stage = Stage.JOURNALED if self.table.rules.journal_comes_before_publish else Stage.DONE
            return words, _stages(landed or known, page.entries, stage)
        fenced = self._remember(_stages(known, page.entries, Stage.DONE), fenced=True, idle=0)
        # A slot that is closed with another page shows that ours never came, and never will.
        if slot is not None or not self.table.rules.refused_page_is_looked_at:
            for number in page.entries if self.table.rules.journal_comes_before_publish else ():
                fenced = _tell(fenced, number, accepted=False)
        return f"{words}: closed", fenced

    # Requests

    def _requests(self, state: State, number: int) -> Iterator[Step]:
        stage, rules = state.stages[number], self.table.rules
        if stage is Stage.NEW:
            yield from self._reserve(state, number)
        elif stage is Stage.HELD and not rules.journal_comes_before_publish:
            yield self._say(f"publishes {number}"), self._published(state, number, Stage.SENT)
        elif stage is Stage.JOURNALED:
            yield from self._publish(state, number)
        elif stage is Stage.DOUBT:
            yield self._say(f"publishes {number} again"), _stage(self.table.publish(state, number), number, Stage.DONE)
        elif stage is Stage.REFUSED:
            yield from self._withdraw(state, number)

    def _reserve(self, state: State, number: int) -> Iterator[Step]:
        memory = self._memory(state)
        held = Stage.HELD if self.table.rules.orders_are_journaled else Stage.JOURNALED
        if not self.table.rules.units_are_leased:
            if state.available:
                counted = state._replace(available=state.available - 1, reserved=state.reserved + 1)
                yield self._say(f"counts a unit for {number}"), _stage(counted, number, Stage.JOURNALED)
        elif memory.idle and not memory.fenced:
            used = memory.used + (not self.table.rules.orders_are_journaled)
            taken = self._remember(state, idle=memory.idle - 1, used=used)
            yield self._say(f"holds a unit for {number}"), _stage(taken, number, held)
        elif not (state.available or memory.fenced) and self._may_say_sold_out(state, number):
            refused = _tell(_stage(state, number, Stage.DONE), number, accepted=SOLD_OUT)
            yield self._say(f"tells {number} that it is sold out"), refused

    def _may_say_sold_out(self, state: State, number: int) -> bool:
        orders = self.table.world.orders
        firsts = [other for other in range(number) if orders[other] == orders[number]]
        if not (self.table.world.repeats and firsts):
            return False
        # A client repeats when its first request has failed: not before that one has come as far as it ever will.
        if any(state.stages[first] in {Stage.NEW, Stage.HELD, Stage.PAGED} for first in firsts):
            return False
        return not self.table.rules.repeat_looks_into_journals or not any(
            state.queue[first] or self._is_journaled(state, first) or state.ledger[orders[first]] for first in firsts
        )

    def _is_journaled(self, state: State, number: int) -> bool:
        pages = [slot.page for session in state.sessions for slot in session.slots if slot]
        return any(number in page.entries for page in pages) and state.endings[self.table.guard(number)] is None

    def _published(self, state: State, number: int, stage: Stage) -> State:
        return _tell(_stage(self.table.publish(state, number), number, stage), number, accepted=True)

    def _publish(self, state: State, number: int) -> Iterator[Step]:
        yield self._say(f"publishes {number}"), self._published(state, number, Stage.DONE)
        if self.table.rules.orders_are_journaled and self.table.world.refusals:
            yield self._say(f"is refused the publish of {number}"), _stage(state, number, Stage.REFUSED)
        if "publish" not in self.table.world.unanswered:
            return
        doubt = _stage(state, number, Stage.DOUBT)
        yield self._say(f"publishes {number}: no answer, lost"), doubt
        late = self.table.sends(doubt, Write("publish", self.session, number))
        if late:
            yield self._say(f"publishes {number}: no answer, on its way"), late

    def _withdraw(self, state: State, number: int) -> Iterator[Step]:
        done, where = _stage(state, number, Stage.DONE), state.slots[number]
        landed = self.table.withdraw(done, self.session, number, where)
        slot = state.sessions[self.session].slots[where]
        # In an open slot only our own earlier attempt can have ended it; a closed one's order may be sold by now.
        if landed or (slot and not slot.closed):
            yield self._say(f"withdraws {number}"), _tell(landed or done, number, accepted=False)
        else:
            yield self._say(f"may not withdraw {number}: closed"), done
        late = self.table.sends(state, Write("withdrawal", self.session, number, where))
        if late:
            yield self._say(f"withdraws {number}: no answer, on its way"), late


def _stage(state: State, number: int, stage: Stage) -> State:
    if stage is Stage.DONE:
        state = state._replace(slots=put(state.slots, number, -1))
    return state._replace(stages=put(state.stages, number, stage))


def _stages(state: State, numbers: tuple[int, ...], stage: Stage) -> State:
    for number in numbers:
        state = _stage(state, number, stage)
    return state


def _tell(state: State, number: int, *, accepted: Told) -> State:
    return state._replace(accepted=put(state.accepted, number, accepted))
