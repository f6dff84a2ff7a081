"""Slots: as many as the scenario says, changed when it says, and all at work while there is work for them."""

from statistics import fmean

from load.analysis.checks.check import EXACT_SECONDS, Check, make_check
from load.analysis.timeline import backlog, lives
from load.records import RunRecords
from load.scenario import Arm, Scenario

# A slot between two orders is not busy for a moment. Measured: 0.96 of the slots on average, 0.9 at the least.
BUSY_SHARE = 0.75
LEAST_SAMPLES = 2
# Samples take a moment, and the backlog moves meanwhile.
AROUND_SECONDS = 0.5
# How long after its moment a change of the tasks may be complete; more tasks take longer to start.
CHANGE_SECONDS = 30.0


def slots_work_while_there_is_work(scenario: Scenario, records: RunRecords) -> Check | None:
    """While more orders wait than slots can hold, the slots are busy, and never more than there are."""
    if scenario.arm is not Arm.ECS or scenario.tasks:
        return None
    history = backlog(lives(records))
    full = 1.5 * scenario.slots
    busy = [
        sample.slots_busy
        for sample in records.samples
        if min(history.at(sample.at - AROUND_SECONDS), history.at(sample.at + AROUND_SECONDS)) >= full
    ]
    most = max((sample.slots_busy for sample in records.samples), default=0.0)
    known = len(busy) >= LEAST_SAMPLES
    ok = most <= scenario.workers and (not known or fmean(busy) >= BUSY_SHARE * scenario.slots)
    detail = f"at most {most:g} of {scenario.workers} busy"
    if known:
        detail += f"; {fmean(busy):.1f} on average in {len(busy)} samples with orders waiting for all of them"
    return make_check("slots", "All slots are busy while orders wait for them", detail, ok=ok)


def workers_as_planned(scenario: Scenario, records: RunRecords) -> Check | None:
    """The workers were changed as the scenario says, at its moments or as soon as the tasks had started."""
    if scenario.arm is not Arm.ECS and not records.workers:
        return None
    planned = [(0.0, scenario.workers), *((at, scenario.workers * tasks) for at, tasks in scenario.tasks)]
    seen = [(change.at - records.started, change.workers) for change in records.workers]
    if not scenario.tasks:
        planned = []
    ok = len(seen) == len(planned) and all(
        workers == wanted and -EXACT_SECONDS <= at - moment <= CHANGE_SECONDS
        for (at, workers), (moment, wanted) in zip(seen, planned, strict=True)
    )
    ok = ok and seen == sorted(seen, key=lambda change: change[0])
    detail = ", ".join(f"{workers} from {at:.1f} s" for at, workers in seen) or f"{scenario.workers}, never changed"
    return make_check("workers", "As many workers as the scenario says, when it says", detail, ok=ok)
