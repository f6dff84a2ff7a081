"""What is finished is deleted: together, soon, and again when that fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.acks import Acknowledger
from flashbus.queue import EntryFailure, Message
from flashbus.testing import CountingObserver, FakeQueue, loop_time


class TimedDeletes(FakeQueue):
    """Keeps the moment of every call that deletes, and how many were under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[float] = []
        self.under_way = self.peak = 0

    async def delete_batch(self, receipts: Sequence[str]) -> list[EntryFailure]:
        self.moments.append(loop_time())
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        failures = await super().delete_batch(receipts)
        self.under_way -= 1
        return failures


@dataclass(kw_only=True)
class Stage:
    """An acknowledger on a queue in memory, and what it told of its messages."""

    queue: TimedDeletes = field(default_factory=TimedDeletes)
    observer: CountingObserver = field(default_factory=CountingObserver)
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.acks = Acknowledger(
            queue=self.queue,
            on_added=lambda message: self.told.append(("added", message.message_id)),
            on_done=lambda message: self.told.append(("done", message.message_id)),
            observer=self.observer,
        )

    def add(self, count: int) -> None:
        for number in range(count):
            self.acks.add(Message(message_id=f"m{number}", receipt=f"m{number}/1", body="body"))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.timeout(60), asyncio.TaskGroup() as loops:
            loops.create_task(self.acks.run())
            yield
            await self.acks.close()


async def test_a_full_batch_leaves_at_once_and_a_part_of_one_waits_for_company() -> None:
    stage = Stage()
    async with stage.running():
        for count in (10, 12):
            await asyncio.sleep(1)
            stage.add(count)
        await asyncio.sleep(1)
    assert stage.queue.delete_calls == [10, 10, 2]
    assert stage.queue.moments == pytest.approx([1, 2, 2.05], abs=1e-3)


async def test_who_comes_within_the_wait_is_taken_along_and_a_full_batch_ends_it() -> None:
    stage = Stage()
    async with stage.running():
        await asyncio.sleep(1)
        for count in (1, 8, 1):
            stage.add(count)
            await asyncio.sleep(0.01)
    assert stage.queue.delete_calls == [10]
    assert stage.queue.moments == pytest.approx([1.02], abs=1e-3)


async def test_the_end_waits_for_no_company() -> None:
    stage = Stage()
    async with stage.running():
        await asyncio.sleep(1)
        stage.add(3)
    assert loop_time() == pytest.approx(1, abs=1e-3)
    assert stage.queue.delete_calls == [3]


async def test_four_batches_are_under_way_at_once() -> None:
    stage = Stage()
    stage.queue.round_trip = timedelta(seconds=0.1)
    async with stage.running():
        stage.add(100)
    assert (len(stage.queue.moments), stage.queue.peak) == (10, 4)


async def test_a_message_is_told_of_before_its_delete_and_after_it() -> None:
    stage = Stage()
    async with stage.running():
        stage.add(1)
        assert stage.told == [("added", "m0")]
    assert stage.told == [("added", "m0"), ("done", "m0")]


async def test_a_delete_is_tried_eight_times_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[tuple[float, float]] = []

    def longest(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    monkeypatch.setattr("flashbus.acks.random.uniform", longest)
    stage = Stage()
    stage.queue.refuse = lambda _call, _receipt: True
    with capture_logs() as lines:
        async with stage.running():
            stage.add(1)
    assert len(stage.queue.moments) == 8
    assert [low for low, _ in bounds] == [0] * 7
    assert [high for _, high in bounds] == pytest.approx([0.1 * 2**attempt for attempt in range(1, 8)])
    assert stage.observer.told == {"ack_retried": 7, "ack_given_up": 1}
    assert stage.told == [("added", "m0"), ("done", "m0")]
    assert [(line["event"], line["message_id"]) for line in lines] == [("ack_given_up", "m0")]


async def test_the_end_comes_when_everything_is_deleted_that_was_to_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One time in seventy, random pauses add up to less than what is refused here, and a delete is given up.
    monkeypatch.setattr("flashbus.acks.random.uniform", lambda low, high: (low + high) / 2)
    stage = Stage()
    stage.queue.refuse = lambda _call, _receipt: loop_time() < 2
    async with stage.running():
        stage.add(15)
        await asyncio.sleep(1)
        assert ("done", "m0") not in stage.told
    assert sum(kind == "done" for kind, _ in stage.told) == 15
    assert 2 <= loop_time() < 15
    assert stage.observer.told["ack_given_up"] == 0
