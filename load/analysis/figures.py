"""The numbers of a run. Percentiles are exact (nearest rank over every single value)."""

import math
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from load.analysis.percentiles import Percentiles, percentiles
from load.analysis.stock import StockFigures, stock_figures
from load.analysis.timeline import Life, Steps, backlog, lives, waiting
from load.records import CHARGED, Charge, ColdStart, Request, RunRecords
from load.scenario import Arm, Scenario

DEFERRED = 202


class PhaseFigures(BaseModel):
    """One phase. Rates are orders per second over the phase's real length.

    The counts hold every order sent in the phase; `…_in_time…` the answers that came while it lasted, whenever
    their orders were sent: a line that was there before is paid first. `deferred` were answered 202: the queue pays
    them. `accept` is the latency of its accepted orders,
    `answer` that of every answer, `confirmation` the time to the order's end (None: not all of them have ended),
    `sent_late` how much later than due the generator sent them.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    arrivals: str
    users: int
    seconds: float
    offered: int
    accepted: int
    deferred: int
    rejected: int
    rejected_by_reason: dict[str, int]
    offered_rate: float
    accepted_rate: float
    answered_in_time_rate: float
    refused_in_time_rate: float
    accept: Percentiles | None
    answer: Percentiles | None
    answer_in_time: Percentiles | None
    confirmation: Percentiles | None
    sent_late: Percentiles | None
    cold_starts: int


class Figures(BaseModel):
    """A whole run. Times are seconds, rates orders per second.

    `offered`, `accepted` and `rejected` count requests: a shopper who is refused comes again. `customers_lost` of
    `customers` got no order accepted at all, and were told anything but “sold out”.
    `acceptance_percent` leaves out those who were told that nothing is left: they lost nothing to the shop.
    `accept` is the latency of accepted orders, `answer` that of every answer (the shopper who gets a 503 waited too),
    `confirmation` the time until the order ended (None while some have not: the slowest would be missing).
    `completion_rate` is measured while every slot had work (None: never), `growth_rate` from the first acceptance to
    the peak (None: the slots were never all busy, so the backlog is only what they hold); `drain_seconds` counts from
    the end of the load to the last order's end, `drain_is_extrapolated` when the run stopped measuring before that.
    `stock` says what became of limited stock (None: there was as much as anybody wanted).
    """

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    offered: int
    accepted: int
    rejected: int
    rejected_by_reason: dict[str, int]
    acceptance_percent: float
    customers: int
    customers_lost: int
    completed: int
    declined: int
    failed: int
    backlog_at_end: int
    accept: Percentiles | None
    answer: Percentiles | None
    confirmation: Percentiles | None
    completion_rate: float | None
    growth_rate: float | None
    peak_backlog: int
    peak_waiting: int
    drain_seconds: float
    drain_is_extrapolated: bool
    measured_seconds: float
    utilisation_percent: float | None
    cold_starts: int
    cold_start_seconds: Percentiles | None
    first_cold_start_seconds: float | None
    billed_seconds: Percentiles | None
    stock: StockFigures | None = None
    phases: tuple[PhaseFigures, ...]


def slot_rate(ends: Sequence[float], slots: int) -> float | None:
    """Completions per second of `slots` busy slots, from the moments at which they completed.

    Slots that start together end together, so counting within a window only shows waves. The time from one completion
    to the `slots`-th after it is one turn of every slot; its mean has no such error. None with less than two turns:
    the mean would be that of a few slots.
    """
    ordered = sorted(ends)
    turns = len(ordered) - slots
    if slots < 1 or turns < slots:
        return None
    total = sum(ordered[index + slots] - ordered[index] for index in range(turns))
    return slots * turns / total if total > 0 else None


def busy_window(history: Steps, slots: int) -> tuple[float, float] | None:
    """The longest stretch in which the backlog was at least `slots`, so that no slot lacked work."""
    best: tuple[float, float] | None = None
    start: float | None = None
    for time, value in zip(history.times, history.values, strict=True):
        if value >= slots and start is None:
            start = time
        elif value < slots and start is not None:
            best = max(best or (0.0, 0.0), (start, time), key=lambda window: window[1] - window[0])
            start = None
    if start is not None:
        best = max(best or (0.0, 0.0), (start, history.times[-1]), key=lambda window: window[1] - window[0])
    return best


def _completion_rate(scenario: Scenario, records: RunRecords, accepted: Sequence[Life]) -> float | None:
    if scenario.tasks:
        return None
    if scenario.slots == 0:
        span = records.load_ended - records.started
        ended = sum(1 for life in accepted if life.ended is not None and life.ended <= records.load_ended)
        return ended / span if scenario.arm is Arm.SYNC and ended and span > 0 else None
    ends = [life.ended for life in accepted if life.ended is not None]
    if scenario.arm is Arm.SYNC:
        rush = records.phase(scenario.peak_phase.name)
        return slot_rate([end for end in ends if rush and rush.full <= end <= rush.ended], scenario.slots)
    window = busy_window(backlog(accepted), scenario.slots)
    if window is None:
        return None
    return slot_rate([end for end in ends if window[0] <= end <= window[1]], scenario.slots)


def _growth_rate(accepted: Sequence[Life], rate: float | None) -> float | None:
    history = backlog(accepted)
    if rate is None or not accepted or history.peak() == 0:
        return None
    seconds = history.peak_at() - accepted[0].accepted
    return history.peak() / seconds if seconds > 0 else None


def _drain(scenario: Scenario, records: RunRecords, accepted: Sequence[Life], rate: float | None) -> tuple[float, bool]:
    if backlog(accepted).peak() == 0:
        return 0.0, False  # what is paid in its request leaves nothing to drain, however late the last answer is
    ends = [life.ended for life in accepted if life.ended is not None]
    remaining = len(accepted) - len(ends)
    measured = max(0.0, max(ends, default=records.load_ended) - records.load_ended)
    if remaining == 0:
        return measured, False
    pace = rate or (scenario.slots / scenario.payment_seconds if scenario.slots else 0.0)
    return (measured + remaining / pace if pace else math.inf), True


def _utilisation(scenario: Scenario, charges: Sequence[Charge], start: float, end: float) -> float | None:
    if scenario.slots == 0 or scenario.tasks or end <= start:
        return None
    made = [charge for charge in charges if charge.status == CHARGED]
    busy = sum(max(0.0, min(charge.finished_at, end) - max(charge.started_at, start)) for charge in made)
    return 100 * busy / (scenario.slots * (end - start))


def refusal(request: Request) -> str:
    """Why a request was not accepted: what the answer says, else its status."""
    return request.reason or str(request.status)


def _customers_lost(requests: Sequence[Request]) -> int:
    """Who was refused as often as they asked."""
    taken = {request.user for request in requests if request.is_accepted}
    return len({request.user for request in requests if request.is_lost} - taken)


def _confirmation(accepted: Sequence[Life]) -> Percentiles | None:
    waits = [life.ended - life.due for life in accepted if life.ended is not None]
    return percentiles(waits) if len(waits) == len(accepted) else None


def _phase_figures(records: RunRecords, accepted: Sequence[Life]) -> tuple[PhaseFigures, ...]:
    rows = []
    for phase in records.phases:
        sent = [request for request in records.requests if request.phase == phase.name]
        taken = [request for request in sent if request.is_accepted]
        refused = [request for request in sent if not request.is_accepted]
        in_time = [request for request in records.requests if phase.started <= request.done < phase.ended]
        paid_in_time = sum(request.is_accepted for request in in_time)
        seconds = max(phase.seconds, 1e-9)
        rows.append(
            PhaseFigures(
                name=phase.name,
                arrivals=phase.arrivals,
                users=phase.users,
                seconds=phase.seconds,
                offered=len(sent),
                accepted=len(taken),
                deferred=sum(request.status == DEFERRED for request in taken),
                rejected=len(refused),
                rejected_by_reason=dict(Counter(refusal(request) for request in refused)),
                offered_rate=len(sent) / seconds,
                accepted_rate=len(taken) / seconds,
                answered_in_time_rate=paid_in_time / seconds,
                refused_in_time_rate=(len(in_time) - paid_in_time) / seconds,
                accept=percentiles([request.latency_seconds for request in taken]),
                answer=percentiles([request.latency_seconds for request in sent]),
                answer_in_time=percentiles([request.latency_seconds for request in in_time]),
                confirmation=_confirmation([life for life in accepted if life.phase == phase.name]),
                sent_late=percentiles([request.sent - request.due for request in sent]),
                cold_starts=sum(phase.started <= start.at < phase.ended for start in records.cold_starts),
            )
        )
    return tuple(rows)


def _first_cold_start(starts: Sequence[ColdStart]) -> float | None:
    """That of the first one, which had the machine to itself."""
    first = min(starts, key=lambda start: start.at, default=None)
    return first.init_seconds if first else None


def figures(scenario: Scenario, records: RunRecords) -> Figures:
    """Work out everything that the tables show."""
    accepted = lives(records)
    refused = [request for request in records.requests if not request.is_accepted]
    lost = sum(request.is_lost for request in refused)
    rate = _completion_rate(scenario, records, accepted)
    drain_seconds, extrapolated = _drain(scenario, records, accepted, rate)
    statuses = Counter(life.status for life in accepted if life.ended is not None)
    last = max([life.ended for life in accepted if life.ended is not None], default=records.load_ended)
    taken = [request.latency_seconds for request in records.requests if request.is_accepted]
    return Figures(
        offered=len(records.requests),
        accepted=len(accepted),
        rejected=len(refused),
        rejected_by_reason=dict(Counter(refusal(request) for request in refused)),
        customers=len({request.user for request in records.requests}),
        customers_lost=_customers_lost(records.requests),
        acceptance_percent=100 * len(accepted) / max(1, len(accepted) + lost),
        completed=statuses["completed"],
        declined=statuses["declined"] + statuses["sold_out"],
        failed=statuses["failed"],
        backlog_at_end=len(accepted) - statuses.total(),
        accept=percentiles(taken),
        answer=percentiles([request.latency_seconds for request in records.requests]),
        confirmation=_confirmation(accepted),
        completion_rate=rate,
        growth_rate=_growth_rate(accepted, rate) if scenario.arm is Arm.ECS else None,
        peak_backlog=backlog(accepted).peak(),
        peak_waiting=waiting(records.requests).peak(),
        drain_seconds=drain_seconds,
        drain_is_extrapolated=extrapolated,
        measured_seconds=records.ending.at - records.started,
        utilisation_percent=_utilisation(scenario, records.charges, records.started, max(last, records.load_ended)),
        cold_starts=len(records.cold_starts),
        cold_start_seconds=percentiles([start.init_seconds for start in records.cold_starts]),
        first_cold_start_seconds=_first_cold_start(records.cold_starts),
        billed_seconds=percentiles([one.billed_seconds for one in records.invocations]),
        stock=stock_figures(scenario, records),
        phases=_phase_figures(records, accepted),
    )
