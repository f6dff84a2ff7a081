"""A sale to plan for, and the exact arithmetic of evenly spaced orders of equal length (D/D/c)."""

import math
from dataclasses import dataclass

from load.model.formulas import evenly_spaced_wait

_MOST_WORKERS = 1_000_000
# Beyond these nothing is sold: a slip of the keyboard gets a sentence instead of a plan.
_MOST_PER_SECOND = 1_000_000
_LONGEST_SECONDS = {"payment": 3600, "wait": 30 * 86_400, "burst": 366 * 86_400, "overhead": 3600}


class PlanError(ValueError):
    """The request cannot be planned; `parameter` is the argument at fault."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """What is to be planned for. rate: orders/s during `burst` s; wait: the longest from order to confirmation, s.

    gateway_capacity: payments the provider takes at once (0 = unlimited); overhead: a slot's time beside the payment.
    """

    rate: float
    payment: float
    wait: float
    burst: float
    overhead: float = 0.015
    workers_per_task: int = 100
    gateway_capacity: int = 0

    def __post_init__(self) -> None:
        for name in ("rate", "payment", "wait", "burst"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise PlanError(name, f"must be above 0, not {value:g}")
        if not (math.isfinite(self.overhead) and self.overhead >= 0):
            raise PlanError("overhead", f"must not be negative, not {self.overhead:g}")
        self._refuse_the_absurd()
        if self.workers_per_task < 1:
            raise PlanError("workers_per_task", f"must be at least 1, not {self.workers_per_task}")
        if self.gateway_capacity < 0:
            raise PlanError("gateway_capacity", f"must be 0 (unlimited) or more, not {self.gateway_capacity}")
        if self.wait < self.service:
            raise PlanError("wait", f"{self.wait:g} s is shorter than one payment, which takes {self.service:g} s")
        if self.orders < 1:
            raise PlanError("burst", "no order comes within it at this rate")

    def _refuse_the_absurd(self) -> None:
        if self.rate > _MOST_PER_SECOND:
            raise PlanError("rate", f"must be at most {_MOST_PER_SECOND:,} orders/s, not {self.rate:g}")
        for name, longest in _LONGEST_SECONDS.items():
            if (value := getattr(self, name)) > longest:
                raise PlanError(name, f"must be at most {longest:,} s, not {value:g}")

    @property
    def service(self) -> float:
        """Seconds that one order occupies a slot."""
        return self.payment + self.overhead

    @property
    def orders(self) -> int:
        """Orders of the burst, evenly spaced from its first moment."""
        return math.ceil(round(self.rate * self.burst, 9))


def bottleneck(sale: Sale, workers: int) -> tuple[int, float]:
    """Servers and seconds per order of whichever is slower: the slots, or the gateway's capacity."""
    capacity = sale.gateway_capacity
    if capacity and capacity / sale.payment < workers / sale.service:
        return capacity, sale.payment
    return workers, sale.service


def last_wait(sale: Sale, workers: int) -> float:
    """Seconds from the last order to its confirmation: nobody of an evenly spaced sale waits longer."""
    servers, service = bottleneck(sale, workers)
    queued = evenly_spaced_wait(number=sale.orders - 1, rate=sale.rate, service_seconds=service, servers=servers)
    return queued + sale.service


def workers_needed(sale: Sale) -> int:
    """The fewest workers that keep the wait, by bisection: more workers never make anybody wait longer.

    Raises:
        PlanError: the gateway is too small for any number of workers, or the number is beyond reason.
    """
    too_few, enough = 0, 1
    while not _keeps(sale, enough):
        if enough >= _MOST_WORKERS:
            capacity = sale.gateway_capacity
            if capacity:
                raise PlanError(
                    "gateway_capacity",
                    f"{capacity} payments at once settle {capacity / sale.payment:.3g} orders/s; "
                    f"no number of workers keeps the wait at {sale.wait:g} s",
                )
            raise PlanError("rate", f"more than {_MOST_WORKERS:,} workers would be needed")
        too_few, enough = enough, enough * 2
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if _keeps(sale, middle):
            enough = middle
        else:
            too_few = middle
    return enough


def _keeps(sale: Sale, workers: int) -> bool:
    return last_wait(sale, workers) <= sale.wait + 1e-9


def backlog_after_last(sale: Sale, workers: int) -> int:
    """Orders accepted and not terminal at the moment of the last order, counted exactly."""
    servers, service = bottleneck(sale, workers)
    last = (sale.orders - 1) / sale.rate
    if service <= servers / sale.rate:
        return min(sale.orders, math.ceil(round(service * sale.rate, 9)))
    ended = sum(
        min(
            max(0, math.floor((last - first / sale.rate) / service + 1e-9)),
            (sale.orders - 1 - first) // servers + 1,
        )
        for first in range(min(servers, sale.orders))
    )
    return sale.orders - ended
