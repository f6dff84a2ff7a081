"""The processor as it is wired in production, its ledger off and its payments in memory, beside the stub's queue.

It runs for `SECONDS` and prints one line of JSON: how many payments of `PAYMENT_SECONDS` ended in the window after the
warm-up, how many slots paid on average meanwhile, and the CPU time of a message.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

from prometheus_client import CollectorRegistry

from flashmsg import Order, OrderStatus, Reservation
from flashops import event_loop
from flashops.garbage import relax_garbage_collection
from flashops.logs import WriteInfo, configure_logging
from flashops.streams import guard_standard_streams
from flashpay import Approved, ChargeKnown, ChargeRequest, ChargeResult, LedgerEntry, NotCharged, utc_now
from flashpay.claims import Claim, Claimed
from flashpay.ledger import RecordedOrder
from flashpay.testing import MemoryLedger, sample_order
from order_processor.app import build_consumer
from order_processor.connections import open_connections
from order_processor.settings import SERVICE, Settings

# A selector rounds what it waits up to whole milliseconds: aimed at half of one less, payments take their time.
_ROUNDED_SECONDS = 0.0005


class NoLedger(MemoryLedger):
    """Off: gives every claim and notes every answer at once, keeps nothing, and says the same of every order.

    The base yields to other tasks at every step and copies its entries, as tests want it: a fifth of a message's time.
    """

    async def claim(
        self,
        order: Order,
        *,
        owner: str,
        lease: timedelta,
        reopen: bool = False,  # noqa: ARG002 - the protocol's
        reservation: Reservation | None = None,  # noqa: ARG002 - the protocol's
    ) -> Claim:
        """Give the order to whoever asks."""
        return Claimed(order=order, attempt=1, owner=owner, lease_until=utc_now() + lease)

    async def record(self, claimed: Claimed, result: ChargeResult) -> RecordedOrder:  # noqa: ARG002 - the protocol's
        """Say that this was the first answer."""
        return _completed()


@cache
def _completed() -> RecordedOrder:
    now = utc_now()
    entry = LedgerEntry.claimed_first(sample_order(), owner="bench", lease_until=now, now=now)
    return RecordedOrder(entry=replace(entry, status=OrderStatus.COMPLETED, completed_at=now), first=True)


class Payments:
    """Takes a fixed time, and adds up what is in flight."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._in_flight = 0
        self._last = time.perf_counter()
        self.ends: list[float] = []
        self.busy_seconds = 0.0

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ARG002, ASYNC109 - the protocol's
        """Approve after the payment's time."""
        self._move(1)
        try:
            await asyncio.sleep(self._seconds - _ROUNDED_SECONDS)
        finally:
            self._move(-1)
            self.ends.append(self._last)
        return Approved(charge_id=f"ch_{request.order_id}")

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ARG002, ASYNC109 - the protocol's
        """Never needed: every charge here has its answer."""
        return NotCharged()

    def now(self) -> tuple[float, int, float, float]:
        """Time, ended payments, busy slot seconds and CPU seconds so far."""
        self._move(0)
        return self._last, len(self.ends), self.busy_seconds, time.process_time()

    def _move(self, change: int) -> None:
        now = time.perf_counter()
        self.busy_seconds += self._in_flight * (now - self._last)
        self._last = now
        self._in_flight += change


async def _main(write_line: WriteInfo) -> dict[str, float]:
    settings, stop = Settings.from_environment(os.environ), asyncio.Event()
    payment, seconds = float(os.environ["PAYMENT_SECONDS"]), float(os.environ["SECONDS"])
    payments = Payments(payment)
    async with open_connections(settings) as real:
        connections = replace(real, ledger=NoLedger(), gateway=payments)
        consumer = build_consumer(
            settings, connections=connections, registry=CollectorRegistry(), stop=stop, write_line=write_line
        )
        relax_garbage_collection(at_once=settings.workers)
        running = asyncio.create_task(consumer.run())
        await asyncio.sleep(float(os.environ["WARM_UP"]))
        began = payments.now()
        await asyncio.sleep(seconds)
        time_, ended, busy, cpu = (late - early for late, early in zip(payments.now(), began, strict=True))
        ends = payments.ends[int(began[1]) :]
        stop.set()
        await running
    slots, took = settings.workers, busy / max(ended, 1)
    return {
        "occupancy": busy / time_ / slots,
        # Should they have been shorter than asked for, more of them was possible.
        "completions": _rate(ends, slots) / (slots / min(payment, took)),
        "payment_ms": took * 1e3,
        "cpu_us": cpu / max(ended, 1) * 1e6,
    }


def _rate(ends: Sequence[float], slots: int) -> float:
    """Ends a second, over as many whole rounds of all slots as there are.

    Slots that began together end together: a window of seconds would count up to one round too many or too few.
    """
    rounds = (len(ends) - 1) // slots
    return rounds * slots / (ends[-1] - ends[-1 - rounds * slots]) if rounds > 0 else 0.0


if __name__ == "__main__":
    guard_standard_streams()
    write_line = configure_logging(service=SERVICE, stream=sys.stderr)
    print(json.dumps(event_loop.run(_main(write_line))))  # noqa: T201 - read by who started it
