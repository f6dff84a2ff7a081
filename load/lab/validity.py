"""Is a run's result possible? Checks over its records; a run that fails one is INVALID.

Each check compares witnesses that do not know of each other: the load generator's journal, the orders table, the
payment provider's ledger, the queues, the API's counters. All are pure functions.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from load.lab.figures import busy_window, slot_rate
from load.lab.records import CHARGED, PhaseMark, Request, RunRecords
from load.lab.scenario import OPEN_LOOP, Arm, Arrivals, Scenario
from load.lab.timeline import backlog, lives, steps, waiting

LITTLE_TOLERANCE = 0.10
RATE_TOLERANCE = 0.02
DEPTH_TOLERANCE = 0.10
# Orders that may be on their way between two witnesses when both are asked within the same second.
DEPTH_SLACK = 3
ACKNOWLEDGE_SECONDS = 0.5
LEAST_USERS_SECONDS = 5.0
CLOCK_SECONDS = 0.050


class Check(BaseModel):
    """One check and what it saw. A check that does not apply to a run is left out, never counted as passed."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    ok: bool
    detail: str


def _check(name: str, title: str, detail: str, *, ok: bool) -> Check:
    return Check(name=name, title=title, ok=ok, detail=detail)


def _shown(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""  # noqa: PLR2004  # three examples
    return ", ".join(ids[:3]) + more


def conservation_at_end(scenario: Scenario, records: RunRecords) -> Check:
    """Accepted = completed + declined + sold out + failed + backlog, the backlog counted where it lies.

    The queue is the witness of the backlog when the run was cut short; a run that was drained must have none left.
    """
    accepted = lives(records)
    ended = Counter(life.status for life in accepted if life.ended is not None)
    left = len(accepted) - ended.total()
    queued = records.ending.queued
    expected = queued if queued is not None else 0
    taken = len({life.order_id for life in accepted})
    ok = taken == len(accepted) and left == expected and (left == 0 or records.ending.stopped_early)
    sums = (
        f"{len(accepted)} accepted = {ended['completed']} completed + {ended['declined'] + ended['sold_out']} declined"
        f" + {ended['failed']} failed + {left} left"
    )
    where = "no queue in this arm" if queued is None else f"{queued} in the queue"
    late = "" if left == 0 or records.ending.stopped_early else "; the run was not cut short, so none may be left"
    return _check(
        "conservation", f"Every accepted order is accounted for ({scenario.arm})", f"{sums}; {where}{late}", ok=ok
    )


def conservation_at_every_event(_scenario: Scenario, records: RunRecords) -> Check:
    """No order ends before it is sent, and none that nobody was told of was paid in a queue."""
    sent = {request.order_id: request.sent for request in records.requests if request.order_id}
    accepted = lives(records)
    early = [
        life.order_id
        for life in accepted
        if life.ended is not None and life.ended < sent[life.order_id] - CLOCK_SECONDS
    ]
    least = backlog(accepted).least()
    known = {request.order_id for request in records.requests}
    # A shopper whose answer never came cannot name the order; each such order may be in the ledger unnamed.
    unnamed = sum(1 for request in records.requests if not request.order_id)
    strangers = [order.order_id for order in records.orders if order.order_id not in known]
    ok = not early and least >= 0 and len(strangers) <= unnamed
    detail = f"least backlog {least}"
    if early:
        detail += f"; ended before they were sent: {_shown(early)}"
    if len(strangers) > unnamed:
        detail += f"; {len(strangers)} orders in the ledger that no shopper placed: {_shown(strangers)}"
    return _check("conservation-always", "Accepted − ended is never negative, at any event", detail, ok=ok)


def charges_match(_scenario: Scenario, records: RunRecords) -> Check:
    """The payment provider charged exactly the completed orders."""
    charged = {charge.order_id for charge in records.charges if charge.status == CHARGED}
    completed = {order.order_id for order in records.orders if order.status == "completed"}
    unpaid, unrecorded = sorted(completed - charged), sorted(charged - completed)
    detail = f"{len(charged)} charged, {len(completed)} completed"
    if unpaid:
        detail += f"; completed but never charged: {_shown(unpaid)}"
    if unrecorded:
        detail += f"; charged but not completed: {_shown(unrecorded)}"
    return _check("charges", "Charges at the payment provider = completed orders", detail, ok=charged == completed)


def charged_once(_scenario: Scenario, records: RunRecords) -> Check:
    """No order was paid, or answered, twice."""
    charges = Counter(charge.order_id for charge in records.charges if charge.status == CHARGED)
    ids = Counter(charge.charge_id for charge in records.charges if charge.status == CHARGED)
    ledger = Counter(order.order_id for order in records.orders)
    answers = Counter(request.order_id for request in records.requests if request.order_id)
    twice = sorted({one for counts in (charges, ids, ledger, answers) for one, count in counts.items() if count > 1})
    detail = f"{charges.total()} charges for {len(charges)} orders" + (f"; twice: {_shown(twice)}" if twice else "")
    return _check("charged-once", "No order is completed or charged twice", detail, ok=not twice)


def rate_within_capacity(scenario: Scenario, records: RunRecords) -> Check | None:
    """Completions per second ≤ slots ÷ payment time, and never more payments at once than slots."""
    if scenario.slots == 0:
        return None
    charged = [charge for charge in records.charges if charge.status == CHARGED]
    limit = scenario.slots / scenario.payment_seconds
    accepted = lives(records)
    window = busy_window(backlog(accepted), scenario.slots)
    ends = [life.ended for life in accepted if life.ended is not None]
    if scenario.arm is not Arm.SYNC and window is not None:
        ends = [end for end in ends if window[0] <= end <= window[1]]
    rate = slot_rate(ends, scenario.slots)
    at_once = steps(
        [(charge.started_at + CLOCK_SECONDS, 1) for charge in charged if charge.finished_at > charge.started_at]
        + [(charge.finished_at, -1) for charge in charged if charge.finished_at > charge.started_at]
    ).peak()
    allowed = scenario.slots
    ok = (rate is None or rate <= limit * (1 + RATE_TOLERANCE)) and at_once <= allowed
    measured = "the slots were never all busy for a whole turn" if rate is None else f"{rate:.2f}/s measured"
    detail = (
        f"{measured}, {scenario.slots} ÷ {scenario.payment_seconds:g} s = {limit:.2f}/s possible;"
        f" at most {at_once} payments at once"
    )
    return _check("capacity", "Completions per second ≤ slots ÷ payment time", detail, ok=ok)


def dead_letters_empty(_scenario: Scenario, records: RunRecords) -> Check:
    """Nothing in any dead-letter queue."""
    count = records.ending.dead_letters
    return _check("dead-letters", "The dead-letter queues are empty", f"{count} messages", ok=count == 0)


def counts_agree(_scenario: Scenario, records: RunRecords) -> Check | None:
    """The load generator's counts and the API's own are the same."""
    if records.ending.server_accepted is None:
        return None
    taken = sum(1 for request in records.requests if request.is_accepted)
    refused = len(records.requests) - taken
    # An answer that never arrived may have been counted either way by the API.
    unanswered = sum(1 for request in records.requests if request.status == 0)
    served = records.ending.server_accepted
    turned_away = records.ending.server_rejected
    ok = taken <= served <= taken + unanswered
    detail = f"shoppers saw {taken} accepted, the API counts {served}"
    if turned_away is not None:
        ok = ok and refused - unanswered <= turned_away <= refused
        detail += f"; {refused} not accepted ({unanswered} without an answer), the API counts {turned_away}"
    return _check("counts", "Client-side counts = server-side counts", detail, ok=ok)


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
    return _check(
        "little", "Little's law: users = throughput × (response + think), within 10 %", "; ".join(details), ok=ok
    )


def nobody_waits_twice(_scenario: Scenario, records: RunRecords) -> Check | None:
    """In a closed loop there are never more unanswered orders than users."""
    users = max((phase.users for phase in records.phases), default=0)
    if users == 0 or any(phase.arrivals in OPEN_LOOP for phase in records.phases):
        return None
    peak = waiting(records.requests).peak()
    return _check(
        "closed-loop", "Never more shoppers waiting than there are", f"at most {peak} of {users}", ok=peak <= users
    )


def depth_agrees(scenario: Scenario, records: RunRecords) -> Check | None:
    """The queue's own depth follows ∫ (arrivals − completions), second by second."""
    if scenario.arm is not Arm.ECS or not records.samples:
        return None
    accepted = lives(records)
    history = backlog(accepted)
    ends = sorted(life.ended for life in accepted if life.ended is not None)
    # An order is in the queue a little before its 202 is read and a little after it is completed, so the depth must lie
    # in the range that the true backlog takes around the sample.
    worst, worst_at = 0.0, 0.0
    for sample in records.samples:
        depth = sample.visible + sample.in_flight
        nearby = [history.at(sample.at + shift) for shift in (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5)]
        # Completed orders stay in the queue until their acknowledgement, which is sent in batches.
        unacknowledged = bisect_right(ends, sample.at) - bisect_right(ends, sample.at - ACKNOWLEDGE_SECONDS)
        room = DEPTH_SLACK + DEPTH_TOLERANCE * max(nearby) + unacknowledged
        off = max(min(nearby) - room - depth, depth - max(nearby) - room, 0.0)
        if off > worst:
            worst, worst_at = off, sample.at - records.started
    detail = f"{len(records.samples)} samples"
    if worst:
        detail += f"; at {worst_at:.0f} s the queue's depth is {worst:.0f} beyond what arrivals − completions allow"
    return _check("depth", "Backlog = ∫ (arrivals − completions), as the queue's depth confirms", detail, ok=not worst)


CHECKS: tuple[Callable[[Scenario, RunRecords], Check | None], ...] = (
    conservation_at_end,
    charges_match,
    charged_once,
    rate_within_capacity,
    dead_letters_empty,
    conservation_at_every_event,
    counts_agree,
    closed_loop_holds,
    nobody_waits_twice,
    depth_agrees,
)


def validate(scenario: Scenario, records: RunRecords) -> list[Check]:
    """Every check that applies to this run, in the order in which they are shown."""
    results = (check(scenario, records) for check in CHECKS)
    return [result for result in results if result is not None]
