"""What was sampled: often enough, and the queue as deep as arrivals and completions make it."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

from load.analysis.checks.check import EXACT_SECONDS, Check, make_check, shown
from load.analysis.timeline import Steps, backlog, lives
from load.records import RunRecords
from load.scenario import Arm, Scenario

DEPTH_TOLERANCE = 0.01
# Orders that may be on their way between two witnesses when both are asked within the same second.
DEPTH_SLACK = 3
ACKNOWLEDGE_SECONDS = 0.5
# A sample asks the provider within this of its own moment.
COUNTED_SECONDS = 1.0
# Samples are due once a second. Measured: the longest gap is 1.2 s.
SAMPLES_SHARE = 0.7
LONGEST_GAP_SECONDS = 5.0
# The lags, in seconds, by which a sample of the queue and the orders' own moments may differ.
DEPTH_LAGS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5)


def sampled_throughout(scenario: Scenario, records: RunRecords) -> Check:
    """The samples came about once a second, one after the other, from the first order until the last one ended.

    All other witnesses are asked after that.
    """
    start, end = records.started, _sampled_until(scenario, records)
    moments = sorted(sample.at for sample in records.samples if start - 1 <= sample.at <= end + 1)
    share = len(moments) / max(1.0, end - start)
    gap = max(later - earlier for earlier, later in pairwise([start, *moments, end]))
    one_by_one = all(earlier.at < later.at for earlier, later in pairwise(records.samples))
    is_last = max([end, *moments]) <= records.ending.at + EXACT_SECONDS
    ok = share >= SAMPLES_SHARE and gap <= LONGEST_GAP_SECONDS and one_by_one and is_last
    detail = f"{len(moments)} samples in {end - start:.1f} s, longest gap {gap:.1f} s"
    detail += "" if one_by_one else "; not one after the other"
    detail += "" if is_last else "; the last questions were asked before the end"
    return make_check("samples", "The shop was sampled once a second, to the end", detail, ok=ok)


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
    return make_check("depth", title, detail, ok=not worst and not off)


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


def provider_counted(_scenario: Scenario, records: RunRecords) -> Check | None:
    """The payment provider's counts, sampled, are those of its own ledger at these moments."""
    if not records.samples:
        return None
    ends = sorted(charge.finished_at for charge in records.charges)
    # On a busy machine an answer takes its time, but never until the next question.
    nexts = [*(sample.at for sample in records.samples[1:]), records.ending.at + COUNTED_SECONDS]
    off = [
        f"{sample.charges} at {sample.at - records.started:.0f} s"
        for sample, later in zip(records.samples, nexts, strict=True)
        if not bisect_right(ends, sample.at - COUNTED_SECONDS) <= sample.charges
        or not sample.charges <= bisect_right(ends, max(sample.at, min(sample.until, later)) + COUNTED_SECONDS)
    ]
    detail = f"{len(records.samples)} samples, {len(ends)} charges" + (f"; not so: {shown(off)}" if off else "")
    return make_check("provider", "The provider's counts follow its ledger", detail, ok=not off)
