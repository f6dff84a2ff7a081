"""What a process takes more after many orders: a grown one beside one that has just started."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from bench.processes import Running, measured, progress, shop, stub
from bench.row import ROUND_TRIP_MS, Figures

_FIRST_ORDERS = 1_000
# The grown one and the new one in turns: a machine that becomes slower meanwhile would look like growth.
_TURNS = 4


class Growing:
    """A process at work.

    Args:
        running: Its CPU time and memory.
        orders_so_far: Lets a moment pass, and tells how many orders it had.
    """

    def __init__(self, running: Running, orders_so_far: Callable[[], int]) -> None:
        self.running = running
        self._orders_so_far = orders_so_far

    def reach(self, orders: int) -> int:
        """Let it go on until it has had so many orders; how many it had then."""
        while (reached := self._orders_so_far()) < orders:
            pass
        return reached

    def cpu_seconds_of(self, more: int) -> tuple[float, int]:
        """The CPU seconds of some more orders, and how many they were."""
        begun, cpu = self._orders_so_far(), self.running.cpu_seconds
        reached = self.reach(begun + more)
        return self.running.cpu_seconds - cpu, reached - begun


def growth(started: Callable[[], AbstractContextManager[Growing]], orders: int) -> Figures:
    """Memory after all orders and after 1,000; CPU of an order in the last tenth, and of a new process meanwhile."""
    share = max(orders // 10, _TURNS)
    with started() as grown:
        grown.reach(_FIRST_ORDERS)
        first_mb = grown.running.memory_mb
        grown.reach(orders - share)
        with started() as new:
            new.reach(_FIRST_ORDERS)
            late, early = _cpu_in_turns(grown, new, share // _TURNS)
        last_mb = grown.running.memory_mb
    return {
        "value": max(last_mb / first_mb, late / early),
        "first_mb": first_mb,
        "last_mb": last_mb,
        "cpu_us": late * 1e6,
        "cpu_us_early": early * 1e6,
    }


def _cpu_in_turns(grown: Growing, new: Growing, orders: int) -> tuple[float, float]:
    spent: dict[Growing, list[tuple[float, int]]] = {grown: [], new: []}
    for turn in range(_TURNS):
        for one in (grown, new)[:: -1 if turn % 2 else 1]:
            spent[one].append(one.cpu_seconds_of(orders))
    late, early = (sum(cpu for cpu, _ in turns) / sum(number for _, number in turns) for turns in spent.values())
    return late, early


@contextmanager
def started_processor() -> Iterator[Growing]:
    """A processor whose queue is never empty: two of them share the core."""
    with (
        stub(round_trip_ms=1.0, payment_ms=20.0) as aws,
        measured("order_processor", stub_port=aws.port, environment={"WORKERS": "100"}) as processor,
    ):

        def settled() -> int:
            time.sleep(0.05)
            return int(progress(aws.port)["acknowledged"])

        yield Growing(processor, settled)


@contextmanager
def started_intake() -> Iterator[Growing]:
    """An intake that has its orders a quarter of a second at a time."""
    taken = 0
    with stub(round_trip_ms=ROUND_TRIP_MS) as aws, measured("order_api", stub_port=aws.port) as intake:

        def so_far() -> int:
            nonlocal taken
            found = shop(port=intake.port, connections=64, seconds=0.25, warm_up=0.0)
            taken += int(found["statuses"].get("202", 0))
            return taken

        yield Growing(intake, so_far)
