"""What must hold in every state, and what must hold once everything has come to rest."""

from libs.flashstock.tests.model.rules import World
from libs.flashstock.tests.model.state import SOLD_OUT, End, State, Status


def fault(state: State, world: World) -> str | None:
    """What is wrong with a state, in a sentence; nothing, if nothing is."""
    return _at_every_moment(state, world) or (_at_rest(state, world) if state.is_quiet else None)


def _at_every_moment(state: State, world: World) -> str | None:
    counts = (state.available, state.reserved, state.sold)
    charged = [entry is not None and entry.status is Status.COMPLETED for entry in state.ledger]
    if min(counts) < 0:
        return f"a count is negative: available, reserved, sold = {counts}"
    if sum(counts) != world.total:
        return f"{counts} are not {world.total} together"
    units = world.total + len(world.orders) * world.late_answers
    if (
        sum(charged) > units
        or sum(guard is not None and guard.end is End.SOLD for guard in state.endings) > world.total
    ):
        return "oversold: more orders are charged than there are units"
    for order, is_charged in enumerate(charged):
        told = {said for said, its in zip(state.accepted, world.orders, strict=True) if its == order}
        if is_charged and told == {False}:
            return f"order {order} is charged and was told that it is not accepted"
        if is_charged and SOLD_OUT in told and True not in told:
            return f"order {order} is charged and its repeat was told that it is sold out"
    return None


def _at_rest(state: State, world: World) -> str | None:
    charged = sum(entry is not None and entry.status is Status.COMPLETED for entry in state.ledger)
    if state.reserved:
        return f"{state.reserved} reserved by nobody, for ever"
    for said, order in zip(state.accepted, world.orders, strict=True):
        if said is True and state.ledger[order] is None:
            return f"order {order} was accepted and is lost"
    unbacked = sum(guard is not None and guard.end is End.UNBACKED for guard in state.endings)
    if unbacked and not world.late_answers:
        return f"{unbacked} orders are charged without a unit"
    if state.sold + unbacked != charged:
        return f"{charged} orders are charged, {state.sold} units are sold"
    return None
