"""What must hold in every state, and what must hold once everything has come to rest."""

from libs.flashpay.tests.model.state import End, State, Status, Units

_UNCHARGED = {Status.TOMBSTONE, Status.CANCELLED, Status.DECLINED, Status.FAILED}


def fault(state: State) -> str | None:
    """What is wrong with a state, in a sentence; nothing, if nothing is."""
    return _at_every_moment(state) or (_at_rest(state) if state.is_quiet else None)


def _at_every_moment(state: State) -> str | None:
    gateway = state.gateway
    if gateway.charges > 1:
        return "charged twice"
    if gateway.refunds > gateway.charges:
        return "paid back more often than charged"
    if gateway.charges and (state.told or state.status in _UNCHARGED):
        return f"charged, and {'said to be cancelled' if state.told else state.status}"
    if state.units is not None and (min(state.units) < 0 or sum(state.units) != 1):
        return f"the unit is not in one place: {state.units}"
    if state.status is Status.REFUNDED and not gateway.refunds:
        return "said to be paid back, and is not"
    return None


def _at_rest(state: State) -> str | None:
    gateway = state.gateway
    if state.status is Status.COMPLETED and not (gateway.charges and not gateway.refunds):
        return f"completed with {gateway.charges} charges and {gateway.refunds} refunds"
    if state.status is Status.REFUNDING and state.guard is End.REFUNDED:
        return "paid back and for sale again, and refunding for ever"
    if state.status is Status.REFUNDING or state.units is None:
        return None  # a refund that nobody knows of is for a human, its unit too
    at_home = Units(0, 0, 1) if state.status is Status.COMPLETED else Units(1, 0, 0)
    return (
        None if state.units == at_home else f"it is {state.status}, and the unit is in the wrong place: {state.units}"
    )
