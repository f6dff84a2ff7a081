"""Is a run's result possible? Checks over its records; a run that fails one is INVALID.

Each check compares witnesses that do not know of each other: the load generator's journal, the orders table, the
payment provider's ledger, the queues, the API's counters. All are pure functions.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, median

from pydantic import BaseModel, ConfigDict

from load.lab.figures import busy_window, slot_rate
from load.lab.records import CHARGED, Charge, Invocation, PhaseMark, Request, RunRecords
from load.lab.scenario import OPEN_LOOP, Arm, Arrivals, Scenario
from load.lab.timeline import Life, Steps, backlog, lives, steps, waiting

LITTLE_TOLERANCE = 0.10
RATE_TOLERANCE = 0.02
DEPTH_TOLERANCE = 0.01
# Orders that may be on their way between two witnesses when both are asked within the same second.
DEPTH_SLACK = 3
HTTP_OK = 200
ACKNOWLEDGE_SECONDS = 0.5
LEAST_USERS_SECONDS = 5.0
CLOCK_SECONDS = 0.050
# All processes read the clock of one machine, and the orders table rounds to milliseconds.
EXACT_SECONDS = 0.010
# What a loaded machine may add to a payment and to recording it. Measured: 0.05 s and 0.1 s at most.
LATE_PAYMENT_SECONDS = 5.0
LATE_PAYMENT_SHARE = 0.5
LATE_RECORD_SECONDS = 5.0
USUAL_RECORD_SECONDS = 0.5
# A shopper's next order comes this soon after answer and thinking, as a share of the usual answer. Measured: 0.08.
LATE_ORDER_SHARE = 0.75
LEAST_PAIRS = 10
# Samples are due once a second. Measured: the longest gap is 1.2 s.
SAMPLES_SHARE = 0.7
LONGEST_GAP_SECONDS = 5.0
# The lags, in seconds, by which a sample of the queue and the orders' own moments may differ.
DEPTH_LAGS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5)
# The event source mapping hands a function this many messages at most (cloudformation/triggers.py).
SQS_BATCH = 10
# The platform writes the line about an invocation after it; it may be this late, or not yet there at the end.
LOG_SECONDS = 1.0
LOG_JITTER_SECONDS = 0.25
SPARE_INVOCATIONS = 3
SPARE_INVOCATIONS_SHARE = 0.10


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
    """No order ends before it is sent, and the ledger holds none that no shopper placed."""
    sent = {request.order_id: request.sent for request in records.requests if request.order_id}
    early = [
        life.order_id
        for life in lives(records)
        if life.ended is not None and life.ended < sent[life.order_id] - CLOCK_SECONDS
    ]
    # A shopper whose answer never came cannot name the order; each such order may be in the ledger unnamed.
    unnamed = sum(1 for request in records.requests if not request.order_id)
    strangers = [order.order_id for order in records.orders if order.order_id not in sent]
    ok = not early and len(strangers) <= unnamed
    detail = (
        f"{len(records.orders)} orders in the ledger, {len(strangers)} of them without a shopper who knows the number;"
        f" {unnamed} requests got no number"
    )
    if early:
        detail += f"; ended before they were sent: {_shown(early)}"
    if len(strangers) > unnamed:
        detail += f"; orders in the ledger that no shopper placed: {_shown(strangers)}"
    return _check(
        "conservation-always", "No order ends before it was sent, and none is there that nobody placed", detail, ok=ok
    )


def placed_while_asked(_scenario: Scenario, records: RunRecords) -> Check:
    """The ledger's moments lie within the request's: created, paid and, if the answer says so, completed."""
    requests = {request.order_id: request for request in records.requests if request.is_accepted}
    begun = {charge.order_id: charge.started_at for charge in records.charges if charge.status == CHARGED}
    wrong = []
    for order in records.orders:
        request = requests.get(order.order_id)
        if request is None:
            continue
        moments = [request.sent, order.created_at, request.done]
        in_order = [moments, [order.created_at, begun.get(order.order_id, math.inf)]]
        if request.status == HTTP_OK and order.status == "completed":
            in_order.append([order.completed_at, request.done])
        if any(later < earlier - EXACT_SECONDS for one in in_order for earlier, later in pairwise(one)):
            wrong.append(order.order_id)
    detail = f"{len(requests)} accepted orders" + (f"; not so: {_shown(wrong)}" if wrong else "")
    return _check("placed", "Every order entered the ledger between its request and its answer", detail, ok=not wrong)


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


def payments_last(scenario: Scenario, records: RunRecords) -> Check | None:
    """No payment is shorter than the provider takes, and none absurdly longer."""
    over = sorted(
        charge.finished_at - charge.started_at - scenario.payment_seconds
        for charge in records.charges
        if charge.status == CHARGED
    )
    if not over:
        return None
    most = max(LATE_PAYMENT_SECONDS, LATE_PAYMENT_SHARE * scenario.payment_seconds)
    detail = f"{scenario.payment_seconds:g} s {over[0] * 1000:+.1f} to {over[-1] * 1000:+.1f} ms"
    ok = over[0] >= -EXACT_SECONDS and over[-1] <= most
    return _check("payments-last", "Every payment took as long as the payment provider takes", detail, ok=ok)


def recorded_when_paid(_scenario: Scenario, records: RunRecords) -> Check | None:
    """A completed order ended after its payment, and soon after."""
    paid = {charge.order_id: charge.finished_at for charge in records.charges if charge.status == CHARGED}
    after = sorted(
        order.completed_at - paid[order.order_id]
        for order in records.orders
        if order.status == "completed" and order.order_id in paid
    )
    if not after:
        return None
    usual = median(after)
    ok = after[0] >= -EXACT_SECONDS and after[-1] <= LATE_RECORD_SECONDS and usual <= USUAL_RECORD_SECONDS
    detail = f"{after[0] * 1000:+.1f} to {after[-1] * 1000:+.1f} ms after it, median {usual * 1000:.1f} ms"
    return _check("recorded", "Every completed order ended when its payment had", detail, ok=ok)


def _busy_ends(scenario: Scenario, records: RunRecords, accepted: Sequence[Life]) -> list[float]:
    """When orders ended while no slot lacked work: the rush of a shop that pays at once, else the longest backlog.

    The rush is the phase with most users, once they are complete; idle time beside it would hide an excess in it.
    """
    ends = [life.ended for life in accepted if life.ended is not None]
    if scenario.arm is Arm.SYNC:
        rush = max(records.phases, key=lambda phase: phase.users)
        return [end for end in ends if rush.full <= end <= rush.ended]
    window = busy_window(backlog(accepted), scenario.slots)
    return ends if window is None else [end for end in ends if window[0] <= end <= window[1]]


def rate_within_capacity(scenario: Scenario, records: RunRecords) -> Check | None:
    """Completions per second ≤ slots ÷ payment time, and never more payments at once than slots."""
    if scenario.slots == 0:
        return None
    charged = [charge for charge in records.charges if charge.status == CHARGED]
    limit = scenario.slots / scenario.payment_seconds
    rate = slot_rate(_busy_ends(scenario, records, lives(records)), scenario.slots)
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


def _pauses(records: RunRecords) -> list[float]:
    """For every two orders of one shopper in a row: what lies between answer + thinking and the next order."""
    closed = {phase.name for phase in records.phases if phase.arrivals == Arrivals.CLOSED}
    in_turn = sorted(
        (request for request in records.requests if request.phase in closed),
        key=lambda request: (request.user, request.phase, request.sent),
    )
    return [
        later.sent - (earlier.done + earlier.think_seconds)
        for earlier, later in pairwise(in_turn)
        if (earlier.user, earlier.phase) == (later.user, later.phase)
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
    return _check("next-order", title, detail, ok=ok)


def sampled_throughout(scenario: Scenario, records: RunRecords) -> Check:
    """The samples came about once a second from the first order until the last one ended."""
    start, end = records.started, _sampled_until(scenario, records)
    moments = sorted(sample.at for sample in records.samples if start - 1 <= sample.at <= end + 1)
    share = len(moments) / max(1.0, end - start)
    gap = max(later - earlier for earlier, later in pairwise([start, *moments, end]))
    ok = share >= SAMPLES_SHARE and gap <= LONGEST_GAP_SECONDS
    detail = f"{len(moments)} samples in {end - start:.1f} s, longest gap {gap:.1f} s"
    return _check("samples", "The shop was sampled once a second, to the end", detail, ok=ok)


def _sampled_until(scenario: Scenario, records: RunRecords) -> float:
    """The last order's end or, in a run that was cut short, the limit: what was begun by then is finished unsampled."""
    if records.ending.stopped_early:
        return records.load_ended + scenario.drain_limit_seconds
    return max([records.load_ended, *(order.completed_at for order in records.orders if order.is_terminal)])


def depth_agrees(scenario: Scenario, records: RunRecords) -> Check | None:
    """The queue's own depth follows ∫ (arrivals − completions), second by second and on average."""
    if scenario.arm not in {Arm.ECS, Arm.LAMBDA_SQS} or not records.samples:
        return None
    accepted = lives(records)
    history = backlog(accepted)
    ends = sorted(life.ended for life in accepted if life.ended is not None)
    moments = [sample.at for sample in records.samples]
    depths = [sample.visible + sample.in_flight for sample in records.samples]
    unacknowledged = [_unacknowledged(ends, moment) for moment in moments]
    rows = zip(moments, depths, unacknowledged, strict=True)
    worst, worst_at = max(
        (_beyond(depth, [history.at(moment + lag) for lag in DEPTH_LAGS], late), moment) for moment, depth, late in rows
    )
    off = _beyond(fmean(depths), _means(history, moments), fmean(unacknowledged))
    detail = f"{len(moments)} samples, {fmean(depths):.1f} orders on average"
    if worst:
        at = worst_at - records.started
        detail += f"; at {at:.0f} s the queue's depth is {worst:.0f} beyond what arrivals − completions allow"
    if off:
        detail += f"; the average is {off:.1f} beyond what arrivals − completions allow"
    title = "Backlog = ∫ (arrivals − completions), as the queue's depth confirms"
    return _check("depth", title, detail, ok=not worst and not off)


def _unacknowledged(ends: Sequence[float], moment: float) -> int:
    """Completed orders stay in the queue until their acknowledgement, which is sent in batches."""
    return bisect_right(ends, moment) - bisect_right(ends, moment - ACKNOWLEDGE_SECONDS)


def _means(history: Steps, moments: Sequence[float]) -> list[float]:
    """The average backlog at the moments of sampling, for every lag that sampling may have."""
    return [fmean(history.at(moment + lag) for moment in moments) for lag in DEPTH_LAGS]


def _beyond(depth: float, around: Sequence[float], unacknowledged: float) -> float:
    """How far `depth` lies outside the range that the true backlog takes around it.

    An order is in the queue a little before its 202 is read and a little after it is completed.
    """
    least, most = min(around), max(around)
    too_few = least - DEPTH_SLACK - DEPTH_TOLERANCE * least - depth
    too_many = depth - (most + DEPTH_SLACK + DEPTH_TOLERANCE * most + unacknowledged)
    return max(too_few, too_many, 0.0)


def _batch(scenario: Scenario) -> int | None:
    """How many orders one invocation may hold; None for an arm without a function."""
    return {Arm.LAMBDA: 1, Arm.LAMBDA_SQS: SQS_BATCH}.get(scenario.arm)


def _at_once(intervals: Sequence[tuple[float, float]]) -> int:
    """The most of these (start, end) that are in progress at one moment."""
    real = [(start, end) for start, end in intervals if start < end]
    return steps([(start, 1) for start, _ in real] + [(end, -1) for _, end in real]).peak()


def _is_within(charge: Charge, invocation: Invocation) -> bool:
    """Whether the payment can have been made in this invocation, whose line may be late."""
    begun = invocation.at - invocation.billed_seconds
    return begun <= charge.started_at + LOG_SECONDS and charge.finished_at <= invocation.at + EXACT_SECONDS


def invocations_pay(scenario: Scenario, records: RunRecords) -> Check | None:
    """Every payment lies within an invocation that is billed for it, and not more orders in one than it may hold."""
    batch = _batch(scenario)
    if batch is None:
        return None
    # What was paid at the very end may not be in the function's log yet.
    seen = records.ending.at - LOG_SECONDS
    paid = [charge for charge in records.charges if charge.status == CHARGED and charge.finished_at <= seen]
    least = scenario.payment_seconds - EXACT_SECONDS
    able = [one for one in records.invocations if one.billed_seconds >= least]
    homeless = [charge.order_id for charge in paid if not any(_is_within(charge, one) for one in able)]
    tries = sum(max(1, order.attempt) for order in records.orders)
    # A message may be delivered again although its order is done.
    most = tries * (1 + SPARE_INVOCATIONS_SHARE) + SPARE_INVOCATIONS
    ok = not homeless and len(able) * batch >= len(paid) and len(records.invocations) <= most
    detail = (
        f"{len(records.invocations)} invocations, {len(able)} of them billed for a payment's time or more,"
        f" for {len(paid)} payments, at most {batch} each"
    )
    if homeless:
        detail += f"; paid in no invocation: {_shown(homeless)}"
    return _check("invocations", "Every payment was made in an invocation that is billed for it", detail, ok=ok)


def environments_started(scenario: Scenario, records: RunRecords) -> Check | None:
    """Every run's function is new, and an environment handles one invocation at a time: each had to start."""
    batch = _batch(scenario)
    if batch is None:
        return None
    paying = _at_once([(one.started_at, one.finished_at) for one in records.charges if one.status == CHARGED])
    # The lines of two invocations that follow each other in one environment may be late by different times.
    invoked = _at_once([(one.at - one.billed_seconds + LOG_JITTER_SECONDS, one.at) for one in records.invocations])
    needed = max(math.ceil(paying / batch), invoked)
    started = len(records.cold_starts)
    detail = f"{started} cold starts; {paying} payments and {invoked} invocations at once need {needed} or more"
    return _check("environments", "Every function environment in use has started cold", detail, ok=started >= needed)


CHECKS: tuple[Callable[[Scenario, RunRecords], Check | None], ...] = (
    conservation_at_end,
    charges_match,
    charged_once,
    payments_last,
    recorded_when_paid,
    placed_while_asked,
    rate_within_capacity,
    dead_letters_empty,
    conservation_at_every_event,
    counts_agree,
    closed_loop_holds,
    nobody_waits_twice,
    orders_follow_answers,
    sampled_throughout,
    depth_agrees,
    invocations_pay,
    environments_started,
)


def validate(scenario: Scenario, records: RunRecords) -> list[Check]:
    """Every check that applies to this run, in the order in which they are shown."""
    results = (check(scenario, records) for check in CHECKS)
    return [result for result in results if result is not None]
