"""Functions: every payment in an invocation, every environment started."""

import math
from bisect import bisect_left
from collections.abc import Sequence

from load.analysis.checks.check import EXACT_SECONDS, Check, make_check, shown
from load.analysis.timeline import steps
from load.records import CHARGED, Charge, ColdStart, Invocation, RunRecords
from load.scenario import Arm, Scenario

# The event source mapping hands a function this many messages at most (cloudformation/resources/triggers.py).
SQS_BATCH = 10
# The platform writes the line about an invocation after it; it may be this late, or not yet there at the end.
LOG_SECONDS = 1.0
LOG_JITTER_SECONDS = 0.25
SPARE_INVOCATIONS = 3
# Between the last order of an invocation and the line about it. Measured: 0.3 s.
REPORT_SECONDS = 2.0
# A platform bills whole milliseconds.
BILLED_STEP_SECONDS = 0.001
SPARE_INVOCATIONS_SHARE = 0.10


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
        detail += f"; paid in no invocation: {shown(homeless)}"
    return make_check("invocations", "Every payment was made in an invocation that is billed for it", detail, ok=ok)


def invocations_last(scenario: Scenario, records: RunRecords) -> Check | None:
    """Who pays in an invocation was there when it began, and is recorded when it ends: no other time is billed."""
    if _batch(scenario) is None:
        return None
    least = scenario.payment_seconds - EXACT_SECONDS
    ended = sorted((order.completed_at, order.created_at) for order in records.orders if order.is_terminal)
    idle = [
        f"at {one.at - records.started:.1f} s"
        for one in records.invocations
        if one.billed_seconds >= least and not _lasted_as_its_work(one, ended)
    ]
    detail = f"{len(records.invocations)} invocations" + (f"; not so: {shown(idle)}" if idle else "")
    title = "Every invocation began when its order was there, and ended with it"
    return make_check("invocations-last", title, detail, ok=not idle)


def _lasted_as_its_work(invocation: Invocation, ended: Sequence[tuple[float, float]]) -> bool:
    """Whether an order (completed, created) that ended with the invocation was there when it began."""
    begun = invocation.at - invocation.billed_seconds
    first = bisect_left(ended, (invocation.at - REPORT_SECONDS, 0.0))
    last = bisect_left(ended, (invocation.at + EXACT_SECONDS, math.inf))
    return any(created <= begun + LOG_JITTER_SECONDS for _, created in ended[first:last])


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
    return make_check(
        "environments", "Every function environment in use has started cold", detail, ok=started >= needed
    )


def cold_starts_invoked(scenario: Scenario, records: RunRecords) -> Check | None:
    """An environment starts for an invocation: each start lies within one of its own."""
    if _batch(scenario) is None:
        return None
    lost = [f"at {start.at - records.started:.1f} s" for start in _homeless(records)]
    detail = f"{len(records.cold_starts)} cold starts, {len(records.invocations)} invocations"
    if lost:
        detail += f"; in no invocation: {shown(lost)}"
    return make_check("cold-starts", "Every cold start belongs to an invocation", detail, ok=not lost)


def _homeless(records: RunRecords) -> list[ColdStart]:
    """The starts that find no invocation of their own: whoever began first takes that which ended first."""
    free = sorted(records.invocations, key=lambda one: one.at)
    lost = []
    for start in sorted(records.cold_starts, key=lambda one: one.at - one.init_seconds):
        home = next((one for one in free if start.init_seconds > 0 and _began_in(start, one)), None)
        if home is None:
            lost.append(start)
        else:
            free.remove(home)
    return lost


def _began_in(start: ColdStart, invocation: Invocation) -> bool:
    begun = invocation.at - invocation.billed_seconds - LOG_JITTER_SECONDS
    return begun <= start.at - start.init_seconds and start.at <= invocation.at + LOG_JITTER_SECONDS


def billed_as_it_lasted(scenario: Scenario, records: RunRecords) -> Check | None:
    """What is billed is the duration, rounded up to a millisecond."""
    if _batch(scenario) is None or not records.invocations:
        return None
    beside = [one.billed_seconds - one.duration_seconds for one in records.invocations]
    least, most = min(beside), max(beside)
    ok = least >= -BILLED_STEP_SECONDS / 2 and most <= 1.5 * BILLED_STEP_SECONDS
    detail = f"{len(beside)} invocations, {least * 1000:+.1f} to {most * 1000:+.1f} ms beside their duration"
    return make_check("billed", "Billed = duration, rounded up", detail, ok=ok)
