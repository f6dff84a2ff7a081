"""Orders, charges and counts: every witness must tell of the same ones, at the same time."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from load.analysis.checks.check import CLOCK_SECONDS, EXACT_SECONDS, Check, make_check, shown
from load.analysis.figures import busy_window, slot_rate
from load.analysis.timeline import Life, backlog, lives, steps
from load.records import CHARGED, PAID, RunRecords
from load.scenario import Arm, Scenario

RATE_TOLERANCE = 0.02
HTTP_OK = 200
# What a loaded machine may add to a payment and to recording it. Measured: 0.05 s and 0.1 s at most.
LATE_PAYMENT_SECONDS = 5.0
LATE_PAYMENT_SHARE = 0.5
LATE_RECORD_SECONDS = 5.0
USUAL_RECORD_SECONDS = 0.5


def conservation_at_end(scenario: Scenario, records: RunRecords) -> Check:
    """Accepted = completed + declined + sold out + failed + taken back + backlog, the backlog counted where it lies.

    The queue is the witness of the backlog when the run was cut short; a run that was drained must have none left, nor
    may one of the lambda arm, whose orders wait where nobody can count them.
    """
    accepted = lives(records)
    ended = Counter(life.status for life in accepted if life.ended is not None)
    left = len(accepted) - ended.total()
    queued = records.ending.queued
    taken = len({life.order_id for life in accepted})
    ok = taken == len(accepted) and left == queued and (left == 0 or records.ending.stopped_early)
    sums = (
        f"{len(accepted)} accepted = {ended['completed']} completed + {ended['declined'] + ended['sold_out']} declined"
        f" + {ended['failed']} failed + {ended['cancelled'] + ended['refunded']} taken back + {left} left"
    )
    late = ""
    if left and not records.ending.stopped_early:
        late = "; the run was not cut short, so none may be left"
    elif left and scenario.arm is Arm.LAMBDA:
        late = "; cut short by drain_limit_seconds, where no witness counts what is left: let it drain for longer"
    title = f"Every accepted order is accounted for ({scenario.arm})"
    return make_check("conservation", title, f"{sums}; {queued} in the queue{late}", ok=ok)


def conservation_at_every_event(_scenario: Scenario, records: RunRecords) -> Check:
    """No order ends before it is sent, and the ledger holds none that no shopper placed."""
    sent = {request.order_id: request.sent for request in records.requests if request.order_id}
    early = [
        life.order_id
        for life in lives(records)
        if life.ended is not None and life.ended < sent[life.order_id] - CLOCK_SECONDS
    ]
    # A shopper whose answer never came cannot name the order; each such order may be in the ledger unnamed.
    unnamed = sum(request.is_lost and not request.order_id for request in records.requests)
    strangers = [order.order_id for order in records.orders if order.order_id not in sent]
    ok = not early and len(strangers) <= unnamed
    detail = (
        f"{len(records.orders)} orders in the ledger, {len(strangers)} of them without a shopper who knows the number;"
        f" {unnamed} requests may be an order without a number"
    )
    if early:
        detail += f"; ended before they were sent: {shown(early)}"
    if len(strangers) > unnamed:
        detail += f"; orders in the ledger that no shopper placed: {shown(strangers)}"
    return make_check(
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
    detail = f"{len(requests)} accepted orders" + (f"; not so: {shown(wrong)}" if wrong else "")
    return make_check(
        "placed", "Every order entered the ledger between its request and its answer", detail, ok=not wrong
    )


def charges_match(_scenario: Scenario, records: RunRecords) -> Check:
    """The payment provider charged exactly the completed orders, those that it paid back later included."""
    charged = {charge.order_id for charge in records.charges if charge.status == CHARGED}
    completed = {order.order_id for order in records.orders if order.status in PAID}
    unpaid, unrecorded = sorted(completed - charged), sorted(charged - completed)
    detail = f"{len(charged)} charged, {len(completed)} completed"
    if unpaid:
        detail += f"; completed but never charged: {shown(unpaid)}"
    if unrecorded:
        detail += f"; charged but not completed: {shown(unrecorded)}"
    return make_check("charges", "Charges at the payment provider = completed orders", detail, ok=charged == completed)


def charged_once(_scenario: Scenario, records: RunRecords) -> Check:
    """No order was paid, or answered, twice."""
    charges = Counter(charge.order_id for charge in records.charges if charge.status == CHARGED)
    ids = Counter(charge.charge_id for charge in records.charges if charge.status == CHARGED)
    ledger = Counter(order.order_id for order in records.orders)
    answers = Counter(request.order_id for request in records.requests if request.order_id)
    twice = sorted({one for counts in (charges, ids, ledger, answers) for one, count in counts.items() if count > 1})
    detail = f"{charges.total()} charges for {len(charges)} orders" + (f"; twice: {shown(twice)}" if twice else "")
    return make_check("charged-once", "No order is completed or charged twice", detail, ok=not twice)


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
    return make_check("payments-last", "Every payment took as long as the payment provider takes", detail, ok=ok)


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
    return make_check("recorded", "Every completed order ended when its payment had", detail, ok=ok)


def _busy_ends(scenario: Scenario, records: RunRecords, accepted: Sequence[Life]) -> list[float]:
    """When orders ended while no slot lacked work: the rush of a shop that pays at once, else the longest backlog.

    The rush counts once its users are complete; idle time beside it would hide an excess in it.
    """
    ends = [life.ended for life in accepted if life.ended is not None]
    if scenario.arm is Arm.SYNC:
        rush = records.phase(scenario.peak_phase.name)
        return [end for end in ends if rush and rush.full <= end <= rush.ended]
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
    return make_check("capacity", "Completions per second ≤ slots ÷ payment time", detail, ok=ok)


def dead_letters_empty(_scenario: Scenario, records: RunRecords) -> Check:
    """Nothing in any dead-letter queue."""
    count = records.ending.dead_letters
    return make_check("dead-letters", "The dead-letter queues are empty", f"{count} messages", ok=count == 0)


def counts_agree(_scenario: Scenario, records: RunRecords) -> Check:
    """The load generator's counts and the API's own are the same."""
    taken = sum(1 for request in records.requests if request.is_accepted)
    refused = len(records.requests) - taken
    # An answer that never arrived may have been counted either way by the API.
    unanswered = sum(1 for request in records.requests if request.status == 0)
    served = records.ending.server_accepted
    turned_away = records.ending.server_rejected
    ok = taken <= served <= taken + unanswered and refused - unanswered <= turned_away <= refused
    detail = (
        f"shoppers saw {taken} accepted, the API counts {served};"
        f" {refused} not accepted ({unanswered} without an answer), the API counts {turned_away}"
    )
    return make_check("counts", "Client-side counts = server-side counts", detail, ok=ok)
