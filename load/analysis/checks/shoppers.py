"""Closed loops: what the shoppers did must be possible for that many of them."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from load.analysis.checks.check import EXACT_SECONDS, Check, make_check
from load.analysis.timeline import waiting
from load.records import PhaseMark, Request, RunRecords
from load.scenario import OPEN_LOOP, Arrivals, Scenario

LITTLE_TOLERANCE = 0.10
LEAST_USERS_SECONDS = 5.0
# A shopper's next order comes this soon after answer and thinking, as a share of the usual answer. Measured: 0.08.
LATE_ORDER_SHARE = 0.75
LEAST_PAIRS = 10
# Measured: 0.0014 s.
LATE_AFTER_REFUSAL_SECONDS = 0.1


def littles_law(users: float, seconds: float, requests: int, response: float, think: float) -> bool:
    """Whether a closed loop's totals are possible: users ≈ throughput × (response + think), within 10 %."""
    held = requests / seconds * (response + think)
    return abs(held - users) <= LITTLE_TOLERANCE * users


def users_accounted_for(phase: PhaseMark, requests: Sequence[Request]) -> float:
    """Little's law over a window, edges included: the mean number of users that the requests account for.

    Every user is either waiting for an answer or thinking. Adding up, for all requests, the part of
    (response + think) that falls into the window gives users × seconds, whatever the distribution.
    """
    start, end = phase.full, phase.ended
    held = sum(
        max(0.0, min(request.done + request.think_seconds, end) - max(request.sent, start)) for request in requests
    )
    return held / (end - start)


def closed_loop_holds(_scenario: Scenario, records: RunRecords) -> Check | None:
    """Little's law in every closed-loop phase."""
    details, ok = [], True
    for phase in records.phases:
        if phase.arrivals != Arrivals.CLOSED or phase.ended - phase.full < LEAST_USERS_SECONDS / 2:
            continue
        held = users_accounted_for(phase, records.requests)
        ok = ok and abs(held - phase.users) <= LITTLE_TOLERANCE * phase.users
        details.append(f"{phase.name}: {held:.1f} of {phase.users} users")
    if not details:
        return None
    return make_check(
        "little", "Little's law: users = throughput × (response + think), within 10 %", "; ".join(details), ok=ok
    )


def nobody_waits_twice(_scenario: Scenario, records: RunRecords) -> Check | None:
    """In a closed loop there are never more unanswered orders than users."""
    users = max((phase.users for phase in records.phases), default=0)
    if users == 0 or any(phase.arrivals in OPEN_LOOP for phase in records.phases):
        return None
    peak = waiting(records.requests).peak()
    return make_check(
        "closed-loop", "Never more shoppers waiting than there are", f"at most {peak} of {users}", ok=peak <= users
    )


def _pauses(records: RunRecords, *, after_refusals: bool = False) -> list[float]:
    """For every two orders of one shopper in a row: what lies between answer + thinking and the next order."""
    closed = {phase.name for phase in records.phases if phase.arrivals == Arrivals.CLOSED}
    in_turn = sorted(
        (request for request in records.requests if request.phase in closed),
        key=lambda request: (request.user, request.phase, request.sent),
    )
    return [
        later.sent - (earlier.done + earlier.think_seconds)
        for earlier, later in pairwise(in_turn)
        if (earlier.user, earlier.phase) == (later.user, later.phase) and not (after_refusals and earlier.is_accepted)
    ]


def orders_follow_answers(_scenario: Scenario, records: RunRecords) -> Check | None:
    """In a closed loop the next order, whose moment the ledger knows, follows from the last answer: it tests latencies.

    An answer written down as later than it was leaves less than the thinking before the next order; one written down
    as earlier leaves more, which is compared with the answers themselves, as a loaded machine delays both.
    """
    pauses = _pauses(records)
    if len(pauses) < LEAST_PAIRS:
        return None
    usual, answer = median(pauses), median(request.done - request.sent for request in records.requests)
    ok = min(pauses) >= -EXACT_SECONDS / 2 and usual <= LATE_ORDER_SHARE * answer
    detail = (
        f"{min(pauses) * 1000:+.1f} ms at the earliest, {usual * 1000:+.1f} ms usually;"
        f" an answer takes {answer * 1000:.1f} ms"
    )
    title = "A shopper's next order comes right after answer and thinking"
    return make_check("next-order", title, detail, ok=ok)


def orders_follow_refusals(_scenario: Scenario, records: RunRecords) -> Check | None:
    """The same for refusals alone: between many accepted orders a wrong one would not show in the median."""
    pauses = _pauses(records, after_refusals=True)
    if not pauses:
        return None
    usual = median(pauses)
    ok = min(pauses) >= -EXACT_SECONDS / 2 and usual <= LATE_AFTER_REFUSAL_SECONDS
    detail = f"{len(pauses)} refusals, {min(pauses) * 1000:+.1f} ms at the earliest, {usual * 1000:+.1f} ms usually"
    return make_check("after-refusal", "After a refusal a shopper orders again after thinking", detail, ok=ok)
