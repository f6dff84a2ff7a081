"""The load: what was sent must be what the scenario and its seed say, in the phase and at the moment they say."""

import math
from itertools import zip_longest
from statistics import median

from load.analysis.checks.check import EXACT_SECONDS, Check, make_check, shown
from load.analysis.seed import drawn
from load.records import PhaseMark, Request, RunRecords
from load.scenario import Arm, Arrivals, Phase, Scenario
from load.traffic.open_loop import due_times

# locust looks once a second whether the next phase has begun.
PHASE_SECONDS = {False: 1.5, True: 0.5}
# Shoppers may send on for a moment when the load is over. Measured: 0.05 s.
END_SECONDS = 1.0
# What a loaded machine may add before an order is sent. Measured: 0.001 s and 0.016 s.
USUALLY_LATE_SECONDS = 0.25
LATE_SECONDS = 5.0
# From the moment a shopper is there to the first order. Measured: 0.002 s.
COMPLETE_SECONDS = 0.5


def phases_as_planned(scenario: Scenario, records: RunRecords) -> Check:
    """Every phase of the scenario, one after the other, as long as it says and with the load it says."""
    wrong = []
    begins = records.started
    for planned, mark in zip_longest(scenario.phases, records.phases):
        if planned is None or mark is None or not _is_as_planned(planned, mark, begins):
            wrong.append(str((planned or mark).name))
        begins = mark.ended if mark is not None else begins
    lengths = ", ".join(f"{mark.name} {mark.seconds:.1f} s" for mark in records.phases)
    detail = lengths + (f"; not as the scenario says: {shown(wrong)}" if wrong else "")
    return make_check("phases", "The phases are those of the scenario, and as long", detail, ok=not wrong)


def _is_as_planned(planned: Phase, mark: PhaseMark, begins: float) -> bool:
    off = max(abs(mark.seconds - planned.seconds), abs(mark.started - begins))
    same = (mark.name, mark.arrivals, mark.users, mark.rate) == (
        planned.name,
        planned.arrivals.value,
        planned.users,
        planned.rate,
    )
    return same and off <= PHASE_SECONDS[planned.is_open_loop] and mark.started <= mark.full <= mark.ended


def users_complete(_scenario: Scenario, records: RunRecords) -> Check | None:
    """Every shopper of a closed loop orders as soon as there: a phase has all its users when the last began."""
    first: dict[int, float] = {}
    for request in records.requests:
        first[request.user] = min(request.sent, first.get(request.user, math.inf))
    closed = [mark for mark in records.phases if mark.arrivals == Arrivals.CLOSED]
    if not closed:
        return None
    details, ok = [], True
    for mark in closed:
        began = max((sent for user, sent in first.items() if user <= mark.users), default=math.inf)
        ok = ok and abs(min(max(began, mark.started), mark.ended) - mark.full) <= COMPLETE_SECONDS
        details.append(f"{mark.name}: after {mark.full - mark.started:.1f} s")
    return make_check("users", "All users were there when the last of them began", ", ".join(details), ok=ok)


def sent_in_their_phase(_scenario: Scenario, records: RunRecords) -> Check:
    """Every request is labelled with the phase in which it was due."""
    marks = {mark.name: mark for mark in records.phases}
    wrong = []
    for request in records.requests:
        mark = marks.get(request.phase)
        spare = END_SECONDS if mark is records.phases[-1] else EXACT_SECONDS
        if mark is None or not mark.started - EXACT_SECONDS <= request.due <= mark.ended + spare:
            wrong.append(f"{request.phase} at {request.due - records.started:.1f} s")
    detail = f"{len(records.requests)} requests" + (f"; not so: {shown(wrong)}" if wrong else "")
    return make_check("labels", "Every order was sent in the phase that it is counted in", detail, ok=not wrong)


def sent_when_due(scenario: Scenario, records: RunRecords) -> Check | None:
    """Open loops and bursts: as many orders as the schedule has, each due when the seed says, and sent then."""
    details, ok = [], True
    for phase in scenario.phases:
        mark = records.phase(phase.name)
        sent = sorted((one for one in records.requests if one.phase == phase.name), key=lambda one: one.due)
        if mark is not None and phase.is_open_loop:
            due = due_times(phase.arrivals.value, rate=phase.rate, seconds=phase.seconds, seed=scenario.seed)
            planned = [mark.started + moment for moment in due]
            ok = ok and len(planned) == len(sent) and _keeps(planned, sent)
            details.append(f"{phase.name}: {len(sent)} of {len(planned)} sent")
        elif phase.arrivals is Arrivals.BURST and scenario.arm is not Arm.SYNC:
            ok = ok and len(sent) == len({one.user for one in sent}) == phase.users
            details.append(f"{phase.name}: {len(sent)} of {phase.users} sent")
    if not details:
        return None
    return make_check("due", "Every order of the schedule was sent, when it was due", "; ".join(details), ok=ok)


def _keeps(planned: list[float], sent: list[Request]) -> bool:
    late = [request.sent - request.due for request in sent]
    on_schedule = all(abs(moment - one.due) <= EXACT_SECONDS for moment, one in zip(planned, sent, strict=True))
    spread = not late or (
        min(late) >= -EXACT_SECONDS and max(late) <= LATE_SECONDS and median(late) <= USUALLY_LATE_SECONDS
    )
    return on_schedule and spread


def drawn_from_the_seed(scenario: Scenario, records: RunRecords) -> Check:
    """Who orders what and how long they think follows from the seed; a request too many or too few shifts it."""
    wrong = [
        f"shopper {request.user} at {request.sent - records.started:.1f} s"
        for request, think, items in drawn(scenario, records.requests)
        if not math.isclose(request.think_seconds, think, abs_tol=1e-6)
        or request.product != (items[0]["product_id"] if len(items) == 1 else "")
    ]
    if scenario.is_open_loop and {one.user for one in records.requests} != set(range(1, len(records.requests) + 1)):
        wrong.append("the numbers of the customers")
    detail = f"{len(records.requests)} requests" + (f"; not so: {shown(wrong)}" if wrong else "")
    return make_check("seed", "Shoppers order and think as the seed says", detail, ok=not wrong)
