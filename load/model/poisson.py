"""What customers who come at random add to the last one's wait, beside evenly spaced orders."""

import math

from load.model.formulas import Formula, mmc_wait_percentile
from load.model.sale import Sale, bottleneck

POISSON_MARGIN = "Poisson margin"
_PERCENT = 95.0
# 95 % of normal deviations are at most this much above the mean …
_ONE_SIDED = 1.645
# … and at most this much from it on either side: a queue that empties is reflected at 0, |N(0, 1)|.
_REFLECTED = 1.96
# A queue that grows by more deviations than this has never emptied since its beginning.
_CLEAR_GROWTH = 5.0


def poisson_margin(sale: Sale, workers: int) -> Formula:
    """Seconds that 95 % of Poisson sales add to the last customer's wait at most.

    Below saturation the queue is stationary: the 95 % wait of M/M/c, an upper bound for equal payments (they wait about
    half of it, as Allen-Cunneen's means do, and simulations also exceed that half). M/M/c is infinite at saturation,
    but a sale ends: a queue that neither grows nor shrinks holds at most 1.96 √N orders too many, so the smaller of the
    two is taken.
    Above saturation the queue grows and what is random is the number of orders: 1.645 √N of them, or, while the
    queue may still empty now and then, the safe 1.96 √N.
    """
    servers, service = bottleneck(sale, workers)
    deviation = math.sqrt(sale.orders) * service / servers
    growth = sale.orders * service / servers - sale.burst
    if growth > _CLEAR_GROWTH * deviation:
        return _random_walk(sale, _ONE_SIDED, servers=servers, service=service)
    walk = _random_walk(sale, _REFLECTED, servers=servers, service=service)
    offered = sale.rate * service
    if offered >= servers:
        return walk
    wait = mmc_wait_percentile(rate=sale.rate, service_seconds=service, servers=servers, percent=_PERCENT)
    stationary = Formula(
        name=POISSON_MARGIN,
        expression=f"no lasting queue: 95 % wait of M/M/{servers} at {offered:.4g} erlangs",
        value=wait,
        unit="s",
        source="Erlang 1917, P(W > t) = C e^(-(c - a) t ÷ d); equal payments wait less",
    )
    return min(stationary, walk, key=lambda formula: formula.value)


def _random_walk(sale: Sale, deviations: float, *, servers: int, service: float) -> Formula:
    growing = "the queue grows" if deviations == _ONE_SIDED else "short or near saturation"
    return Formula(
        name=POISSON_MARGIN,
        expression=f"{growing}: {deviations} × √{sale.orders} × {service:g}/{servers}",
        value=deviations * math.sqrt(sale.orders) * service / servers,
        unit="s",
        source="number of a Poisson sale's orders: variance λT; each more takes (d+o)/W",
    )
