"""How much is taken is asked before every receive."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from flashbus.testing import ConsumerHarness, FakeQueue, loop_time


class Valve:
    """Admits `most` messages a receive; `None` all."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.opened = asyncio.Event()
        self.stops = 0

    def allowance(self, wanted: int) -> int:
        return wanted if self.most is None else min(wanted, self.most)

    async def until_allowance(self) -> None:
        await self.opened.wait()

    def stop(self) -> None:
        self.stops += 1

    def open(self) -> None:
        self.most = None
        self.opened.set()


async def test_nothing_is_received_while_nothing_is_admitted() -> None:
    valve = Valve(0)
    harness = ConsumerHarness(admission=valve)
    await harness.place(20)
    async with harness.running():
        await asyncio.sleep(600)
        assert harness.queue.receives == []
        valve.open()
        opened = loop_time()
        assert await harness.until_empty() - opened < 1


async def test_no_more_are_asked_for_than_are_admitted_and_the_other_slots_stay_free() -> None:
    valve = Valve(1)
    harness = ConsumerHarness(admission=valve, slots=10, pollers=1, latency=timedelta(seconds=10))
    await harness.place(50)
    async with harness.running():
        await asyncio.sleep(1)
        assert {asked for asked, _ in harness.queue.receives} == {1}
        # One at a time, and yet every slot in the end: those that were not admitted were given back.
        assert harness.in_flight == 10
        valve.open()
        await harness.until_empty()


async def test_an_admission_that_waits_for_ever_does_not_outlast_the_drain() -> None:
    harness = ConsumerHarness(admission=Valve(0), drain=timedelta(seconds=3))
    async with harness.running() as consumer:
        await asyncio.sleep(1)
        harness.stop.set()
        await consumer
    assert loop_time() < 5


class Door(Valve):
    """Waits until it is stopped."""

    def stop(self) -> None:
        super().stop()
        self.opened.set()


async def test_an_admission_is_told_of_the_stop_before_the_drain_waits_for_what_it_holds() -> None:
    harness = ConsumerHarness(admission=Door(0), drain=timedelta(seconds=30))
    async with harness.running() as consumer:
        await asyncio.sleep(1)
        harness.stop.set()
        await consumer
    assert loop_time() < 2


async def test_an_admission_is_told_when_a_loop_breaks() -> None:
    class Broken(FakeQueue):
        async def delete_batch(self, receipts: Sequence[str]) -> list[object]:  # type: ignore[override]
            raise RuntimeError(f"a bug over {len(receipts)} receipts")

    valve = Valve(None)
    harness = ConsumerHarness(admission=valve, queue=Broken())
    await harness.place(1)
    with pytest.raises(ExceptionGroup):
        async with harness.running() as task:
            await asyncio.wait([task])
    assert valve.stops == 1
