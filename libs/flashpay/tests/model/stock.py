"""The end of the order's one unit: once, behind a guard; a refund takes a sale back."""

from libs.flashpay.tests.model.rules import Rules
from libs.flashpay.tests.model.state import End, State, Status, Units

_SOLD, _AVAILABLE = Units(0, 0, 1), Units(1, 0, 0)


def end_of(status: Status) -> End | None:
    """How the unit ends with an order of this status; None where it does not yet."""
    if status is Status.COMPLETED:
        return End.SOLD
    if status is Status.REFUNDED:
        return End.REFUNDED
    return End.RETURNED if status in {Status.CANCELLED, Status.DECLINED, Status.FAILED} else None


def ended(state: State, end: End, rules: Rules) -> State:
    """The state after an ending has arrived, perhaps not for the first time."""
    units = state.units
    if units is None:
        return state
    if not rules.endings_are_guarded:
        moved = _plus(units, reserved=-1, sold=end is End.SOLD, available=end is not End.SOLD)
        if end is End.REFUNDED and not units.reserved:
            moved = _plus(units, sold=-1, available=1)
        return state._replace(units=moved, guard=end)
    if state.guard is None:
        return state._replace(units=_SOLD if end is End.SOLD else _AVAILABLE, guard=end)
    if end is End.REFUNDED and state.guard is not End.REFUNDED:
        back = _AVAILABLE if state.guard is End.SOLD else units
        return state._replace(units=back, guard=end)
    return state


def _plus(units: Units, *, available: int = 0, reserved: int = 0, sold: int = 0) -> Units:
    return Units(units.available + available, units.reserved + reserved, units.sold + sold)
