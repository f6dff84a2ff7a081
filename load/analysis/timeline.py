"""Exact histories from events: backlog and waiting shoppers as step functions, rates per bin."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from load.records import Order, Request, RunRecords


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A count that changes at known moments: `values[i]` holds from `times[i]` until the next."""

    times: Sequence[float]
    values: Sequence[int]

    def at(self, moment: float) -> int:
        """The count at `moment`; 0 before the first change."""
        index = bisect_right(self.times, moment) - 1
        return self.values[index] if index >= 0 else 0

    def peak(self, start: float = float("-inf"), end: float = float("inf")) -> int:
        """The largest count within [start, end]."""
        inside = [value for time, value in zip(self.times, self.values, strict=True) if start <= time <= end]
        return max([self.at(start), *inside])

    def peak_at(self) -> float:
        """The first moment of the largest count; raises ValueError when nothing ever changed."""
        return self.times[self.values.index(max(self.values))]

    def least(self) -> int:
        """The smallest count ever."""
        return min(self.values, default=0)


def steps(changes: Iterable[tuple[float, int]]) -> Steps:
    """Add up changes (moment, difference); those of one moment count as one."""
    times: list[float] = []
    values: list[int] = []
    count = 0
    for moment, group in groupby(sorted(changes), key=itemgetter(0)):
        count += sum(difference for _, difference in group)
        times.append(moment)
        values.append(count)
    return Steps(times=times, values=values)


@dataclass(frozen=True, kw_only=True)
class Life:
    """An accepted order: when it was due, accepted and, once it is, terminal."""

    order_id: str
    phase: str
    due: float
    accepted: float
    ended: float | None
    status: str


def lives(records: RunRecords) -> list[Life]:
    """Every accepted order, joined with what the ledger says about it, in the order of acceptance.

    An order that was settled in the request, or before its 202 was read, counts as accepted when it ended: the
    clocks of shopper and ledger are the same, but the answer takes its time.
    """
    ledger = {order.order_id: order for order in records.orders}
    joined = [_life(request, ledger.get(request.order_id)) for request in records.requests if request.is_accepted]
    return sorted(joined, key=lambda life: life.accepted)


def _life(request: Request, order: Order | None) -> Life:
    ended = order.completed_at if order is not None and order.is_terminal else None
    return Life(
        order_id=request.order_id,
        phase=request.phase,
        due=request.due,
        accepted=request.done if ended is None else min(request.done, ended),
        ended=ended,
        status=order.status if order is not None else "pending",
    )


def backlog(accepted: Sequence[Life]) -> Steps:
    """Accepted and not yet terminal."""
    begun = [(life.accepted, 1) for life in accepted]
    return steps(begun + [(life.ended, -1) for life in accepted if life.ended is not None])


def waiting(requests: Sequence[Request]) -> Steps:
    """Shoppers who have sent an order and have no answer yet."""
    return steps([(request.sent, 1) for request in requests] + [(request.done, -1) for request in requests])


def bins(times: Iterable[float], *, start: float, width: float, count: int) -> list[int]:
    """How many of `times` fall into each of `count` bins of `width` seconds from `start`."""
    result = [0] * count
    for time in times:
        index = int((time - start) // width)
        if 0 <= index < count:
            result[index] += 1
    return result


def grouped(
    pairs: Iterable[tuple[float, float]],
    *,
    start: float,
    width: float,
    count: int,
    reduce: Callable[[Sequence[float]], float | None],
) -> list[float | None]:
    """`reduce` over the values whose time falls into each bin."""
    members: list[list[float]] = [[] for _ in range(count)]
    for time, value in pairs:
        index = int((time - start) // width)
        if 0 <= index < count:
            members[index].append(value)
    return [reduce(values) if values else None for values in members]


def oldest_age(accepted: Sequence[Life], moments: Sequence[float]) -> list[float]:
    """Age of the oldest unfinished order at each of the (ascending) moments."""
    ages = []
    first = 0
    for moment in moments:
        while first < len(accepted) and (accepted[first].ended or float("inf")) <= moment:
            first += 1
        oldest = next((life for life in accepted[first:] if (life.ended or float("inf")) > moment), None)
        ages.append(max(0.0, moment - oldest.accepted) if oldest is not None and oldest.accepted <= moment else 0.0)
    return ages
