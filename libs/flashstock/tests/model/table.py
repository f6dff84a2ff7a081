"""The conditional writes of the table and the topic. None means that the condition did not hold."""

from dataclasses import dataclass

from libs.flashstock.tests.model.rules import Rules, World
from libs.flashstock.tests.model.state import End, Guard, Lease, Life, Page, Session, Slot, State, Status, Write, put


@dataclass(frozen=True)
class Table:
    rules: Rules
    world: World

    def lease(self, state: State, session: int, units: int, expected: int) -> State | None:
        """Take units, or give them back if there are fewer than none."""
        found = state.sessions[session]
        lease = found.lease
        if lease is None:
            if expected or (self.rules.first_lease_needs_open_session and found.life is not Life.OPEN):
                return None
            lease = Lease(0, 0)
        if lease.sequence != expected or units > state.available:
            return None
        left: Lease | None = Lease(lease.units + units, expected + 1)
        if lease.units + units == 0 and not self.rules.lease_stays_with_session:
            left = None
        changed = found._replace(lease=left)
        return _with_session(state, session, changed)._replace(
            available=state.available - units, reserved=state.reserved + units
        )

    def close_lease(self, state: State, session: int, units: int, expected: int) -> State | None:
        found = state.sessions[session]
        if found.lease is None or (self.rules.lease_closes_at_its_sequence and found.lease.sequence != expected):
            return None
        return _with_session(state, session, found._replace(lease=None))._replace(
            available=state.available + units, reserved=state.reserved - units
        )

    def page(self, state: State, session: int, page: Page) -> State | None:
        found = state.sessions[session]
        slot = found.slots[page.slot]
        if slot is None and self.rules.slot_must_exist:
            return None
        slot = slot or Slot()
        if slot.closed or (self.rules.page_is_newer_than_slot and slot.page.sequence >= page.sequence):
            return None
        return _with_session(state, session, found._replace(slots=put(found.slots, page.slot, Slot(page=page))))

    def withdraw(self, state: State, session: int, reservation: int, slot: int) -> State | None:
        found = state.sessions[session].slots[slot]
        if self.rules.withdrawal_needs_open_slot and (found is None or found.closed):
            return None
        return self.end(state, reservation, End.RETURNED, 0)

    def guard(self, reservation: int) -> int:
        return reservation if self.rules.guard_is_of_the_reservation else self.world.orders[reservation]

    def end(self, state: State, reservation: int, end: End, opened: int) -> State | None:
        """End a reservation that has no guard, or whose guard was reopened as often as the caller has read."""
        place = self.guard(reservation)
        guard = state.endings[place]
        if guard and self.rules.endings_are_guarded:
            same = guard.opened == opened or not self.rules.ending_names_its_reopening
            if guard.end is not End.REOPENED or not same:
                return None
        elif opened and self.rules.reopening_keeps_the_guard:
            return None
        sold = end is End.SOLD
        return state._replace(
            endings=put(state.endings, place, Guard(end, guard.opened if guard else 0)),
            reserved=state.reserved - 1,
            sold=state.sold + sold,
            available=state.available + (not sold),
        )

    def reopen(self, state: State, reservation: int, opened: int) -> State | None:
        """Open it for the given time. Units that had not come back yet stay where they are."""
        place = self.guard(reservation)
        guard = state.endings[place]
        returned = guard is not None and guard.end is End.RETURNED
        if guard and not returned and guard.end is not End.REOPENED:
            return None
        if returned and not state.available:
            return None
        again = Guard(End.REOPENED, opened) if self.rules.reopening_keeps_the_guard else None
        return state._replace(
            endings=put(state.endings, place, again),
            available=state.available - returned,
            reserved=state.reserved + returned,
        )

    def sell_returned(self, state: State, reservation: int) -> State:
        """An order was paid after it had failed: its unit is taken again, if there is one."""
        place = self.guard(reservation)
        guard = state.endings[place]
        assert guard
        if not state.available:
            return state._replace(endings=put(state.endings, place, guard._replace(end=End.UNBACKED)))
        return state._replace(
            endings=put(state.endings, place, guard._replace(end=End.SOLD)),
            available=state.available - 1,
            sold=state.sold + 1,
        )

    def has_ended(self, state: State, reservation: int) -> bool:
        """Whether another receive of the message would change nothing."""
        entry, guard = state.ledger[self.world.orders[reservation]], state.endings[self.guard(reservation)]
        if entry is None or guard is None or guard.end is End.REOPENED:
            return False
        own = entry.reservation == reservation
        if own and entry.status is Status.COMPLETED and self.rules.late_answer_takes_a_unit:
            return guard.end is not End.RETURNED
        return not own or entry.status in {Status.COMPLETED, Status.DECLINED}

    def publish(self, state: State, reservation: int) -> State:
        """One copy stands for all: a message is there until it is acknowledged, however often it is worked."""
        return self.settled(state._replace(queue=put(state.queue, reservation, item=True)), reservation)

    def settled(self, state: State, reservation: int) -> State:
        """Without a message whose order and reservation have ended: another receive of it would change nothing."""
        if self.has_ended(state, reservation) and self.rules.endings_are_guarded:
            return state._replace(queue=put(state.queue, reservation, item=False))
        return state

    def land(self, state: State, write: Write) -> State | None:
        """A write that comes late meets the conditions it was sent with."""
        match write.kind:
            case "lease":
                return self.lease(state, write.session, write.number, write.expected)
            case "closing":
                return self.close_lease(state, write.session, write.number, write.expected)
            case "page":
                return self.page(state, write.session, write.page)
            case "withdrawal":
                return self.withdraw(state, write.session, write.number, write.expected)
            case "ending":
                assert write.end
                return self.end(state, write.number, write.end, write.expected)
            case _:
                return self.publish(state, write.number)

    def sends(self, state: State, write: Write) -> State | None:
        """The same state with the write on its way, if there may be one more."""
        if not state.late or write.kind not in self.world.unanswered:
            return None
        return state._replace(late=state.late - 1, flight=(*state.flight, write))


def _with_session(state: State, index: int, session: Session) -> State:
    return state._replace(sessions=put(state.sessions, index, session))
