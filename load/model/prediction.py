"""What a scenario will do, predicted before it runs."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil
from statistics import fmean

from load.model.explanation import explain
from load.model.formulas import Formula, settle_rate
from load.model.shop import Burst, Shop, Slots, Workload
from load.model.simulation import Run, simulate
from load.model.waits import Waits

TOLERANCE = 0.10
"""A measured figure further than this from the predicted one is flagged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Means over the replications; times in seconds, rates per second.

    offered: requests sent; answered: answered before the phase ended; accepted: answered 200 or 202;
    confirmed: terminal by the end of the drain;
    confirmed_in_phase: terminal before the phase ended; rejected: 503; failed_share = rejected ÷ answered;
    lost_per_second: rejected ÷ T; charged_after_refusal: paid though the customer was told 503;
    settled_per_second: queued orders ÷ (last settled - first accepted), ramp and tail included;
    settle_capacity_per_second: min(W ÷ (d + o), c ÷ d) of slots without a schedule, else 0;
    backlog = accepted - terminal;
    drain_seconds: from the end of the load until the backlog is empty; accept_wait: of every answered request;
    accepted_wait: of every request of the phase that was accepted, be it after its end;
    confirmation_wait: from the request of the phase to the terminal order; backlog_curve: (second, backlog);
    spread: the least and the greatest value over the replications.
    """

    offered: float
    answered: float
    accepted: float
    confirmed: float
    confirmed_in_phase: float
    rejected: float
    failed_share: float
    charged_after_refusal: float
    answered_per_second: float
    accepted_per_second: float
    lost_per_second: float
    settled_per_second: float
    settle_capacity_per_second: float
    peak_backlog: float
    peak_backlog_at: float
    backlog_at_end: float
    drain_seconds: float
    cold_starts: float
    billed_gb_seconds: float
    accept_wait: Waits | None
    accepted_wait: Waits | None
    confirmation_wait: Waits | None
    backlog_curve: tuple[tuple[float, float], ...]
    spread: dict[str, tuple[float, float]]
    formulas: tuple[Formula, ...]
    replications: int
    seed: int


def predict(workload: Workload, shop: Shop, *, seed: int = 1, replications: int = 5) -> Prediction:
    """Simulate the scenario `replications` times and average; the same arguments give the same figures."""
    if replications < 1:
        raise ValueError("replications: must be at least 1")
    # A burst ends with its last request: its answers come after that and count all the same.
    end = float("inf") if isinstance(workload, Burst) else workload.duration_seconds
    runs = [_Figures(simulate(workload, shop, seed=seed + number), end) for number in range(replications)]
    means = {name: fmean(figure(run) for run in runs) for name, figure in _FIGURES.items()}
    spread = {
        name: (min(figure(run) for run in runs), max(figure(run) for run in runs)) for name, figure in _FIGURES.items()
    }
    return Prediction(
        **means,
        settle_capacity_per_second=_settle_capacity(shop),
        accept_wait=Waits.mean_of([run.accept_wait for run in runs]),
        accepted_wait=Waits.mean_of([run.accepted_wait for run in runs]),
        confirmation_wait=Waits.mean_of([run.confirmation_wait for run in runs]),
        backlog_curve=_mean_curve([run.curve for run in runs]),
        spread=spread,
        formulas=explain(workload, shop),
        replications=replications,
        seed=seed,
    )


def deviation(*, predicted: float, measured: float) -> float:
    """|measured - predicted| ÷ predicted; 0 when both are 0, infinite when only the predicted one is."""
    if predicted == measured:
        return 0.0
    return abs(measured - predicted) / abs(predicted) if predicted else float("inf")


class _Figures:
    """The figures of one simulated run."""

    def __init__(self, run: Run, end: float) -> None:
        self.seconds = run.duration_seconds
        self.run = run
        self.end = end
        # what the phase before sent and this one answered is counted by its answer, as the measurement does
        self.offered = [o for o in run.orders if o.sent_at >= 0]
        self.answered = [o for o in run.orders if o.answered_at is not None and 0 <= o.answered_at <= self.end]
        self.accepted = [o for o in self.answered if o.outcome != "rejected"]
        self.rejected = [o for o in self.answered if o.outcome == "rejected"]
        self.queued = [o for o in run.orders if o.queued]
        self.settled = [o for o in (*self.accepted, *self.queued) if o.settled_at is not None]
        self.accept_wait = Waits.of([_wait(o.sent_at, o.answered_at) for o in self.answered])
        taken = [o for o in self.offered if o.answered_at is not None and o.outcome != "rejected"]
        self.accepted_wait = Waits.of([_wait(o.sent_at, o.answered_at) for o in taken])
        confirmed = {id(o): o for o in self.settled}.values()
        self.confirmed = list(confirmed)
        self.confirmation_wait = Waits.of([_wait(o.sent_at, o.settled_at) for o in self.confirmed if o.sent_at >= 0])
        self.taken = sorted(_at(o.answered_at) for o in self.queued)
        self.ended = sorted(_at(o.settled_at) for o in self.queued if o.settled_at is not None)
        self.curve = self._curve()
        self.peak_backlog, self.peak_at = self._peak()

    def backlog(self, moment: float) -> int:
        return bisect_right(self.taken, moment) - bisect_right(self.ended, moment)

    def settle_rate(self) -> float:
        if not self.ended or self.ended[-1] <= self.taken[0]:
            return 0.0
        return len(self.ended) / (self.ended[-1] - self.taken[0])

    def drain(self) -> float:
        if len(self.ended) < len(self.taken):
            return float("inf")
        return max(0.0, self.ended[-1] - self.seconds) if self.ended else 0.0

    def _peak(self) -> tuple[float, float]:
        peak, moment = 0, 0.0
        for taken in self.taken:
            if (backlog := self.backlog(taken)) > peak:
                peak, moment = backlog, taken
        return float(peak), moment

    def _curve(self) -> list[int]:
        last = max([self.seconds, *self.ended[-1:]])
        return [self.backlog(second) for second in range(ceil(last) + 1)]


_FIGURES: dict[str, Callable[[_Figures], float]] = {
    "offered": lambda f: len(f.offered),
    "answered": lambda f: len(f.answered),
    "accepted": lambda f: len(f.accepted),
    "confirmed": lambda f: len(f.confirmed),
    "confirmed_in_phase": lambda f: sum(_at(o.settled_at) <= f.end for o in f.confirmed),
    "rejected": lambda f: len(f.rejected),
    "failed_share": lambda f: len(f.rejected) / len(f.answered) if f.answered else 0.0,
    "charged_after_refusal": lambda f: sum(o.charged_at is not None for o in f.run.orders if o.outcome == "rejected"),
    "answered_per_second": lambda f: len(f.answered) / f.seconds if f.seconds else 0.0,
    "accepted_per_second": lambda f: len(f.accepted) / f.seconds if f.seconds else 0.0,
    "lost_per_second": lambda f: len(f.rejected) / f.seconds if f.seconds else 0.0,
    "settled_per_second": lambda f: f.settle_rate(),
    "peak_backlog": lambda f: f.peak_backlog,
    "peak_backlog_at": lambda f: f.peak_at,
    "backlog_at_end": lambda f: f.backlog(f.seconds),
    "drain_seconds": lambda f: f.drain(),
    "cold_starts": lambda f: f.run.cold_starts,
    "billed_gb_seconds": lambda f: f.run.billed_gb_seconds,
}


def _settle_capacity(shop: Shop) -> float:
    slots = shop.consumer
    if not isinstance(slots, Slots) or slots.schedule:
        return 0.0
    return settle_rate(
        workers=slots.workers,
        payment=shop.payment_seconds,
        overhead=slots.overhead_seconds,
        gateway_capacity=shop.gateway_capacity,
    )


def _mean_curve(curves: Sequence[Sequence[int]]) -> tuple[tuple[float, float], ...]:
    rows = zip_longest(*curves, fillvalue=0)
    return tuple((float(second), fmean(row)) for second, row in enumerate(rows))


def _at(moment: float | None) -> float:
    return float("inf") if moment is None else moment


def _wait(sent: float, until: float | None) -> float:
    return _at(until) - sent
