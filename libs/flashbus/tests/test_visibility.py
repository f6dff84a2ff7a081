"""What is being worked stays hidden from everybody else."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.observer import Observer
from flashbus.queue import EntryFailure, VisibilityChange
from flashbus.testing import ConsumerHarness, FakeQueue, loop_time
from flashbus.visibility import VisibilityHeartbeat

HOUR = 3600
SHORT = timedelta(seconds=6)
LONG_WORK = timedelta(seconds=25)


async def test_work_longer_than_the_visibility_is_delivered_once() -> None:
    harness = ConsumerHarness(slots=15, visibility=SHORT, latency=LONG_WORK)
    await harness.place(15)
    async with harness.running():
        await harness.until_empty()
    assert len(harness.handled) == 15
    assert harness.observer.told == {"received": 15, "redelivered": 0}


async def test_short_work_costs_no_extension() -> None:
    harness = ConsumerHarness(latency=timedelta(seconds=3))
    await harness.place(40)
    async with harness.running():
        await harness.until_empty()
    assert harness.queue.changes == []


async def test_an_extension_that_fails_is_tried_again_in_time() -> None:
    harness = ConsumerHarness(visibility=SHORT, latency=LONG_WORK)
    tries = 0

    def refuse_every_other(call: str, _receipt: str) -> bool:
        nonlocal tries
        tries += call == "change_visibility"
        return call == "change_visibility" and tries % 2 == 1

    harness.queue.refuse = refuse_every_other
    await harness.place(1)
    async with harness.running():
        await harness.until_empty()
    assert tries > 4
    assert harness.handled == ["message 0"]


async def test_extensions_go_on_during_the_drain() -> None:
    harness = ConsumerHarness(visibility=SHORT, latency=LONG_WORK)
    await harness.place(3)
    async with harness.running():
        await harness.until(lambda: harness.in_flight == 3)
        harness.stop.set()
        await asyncio.sleep(20)
        assert harness.queue.visible() == []
    assert len(harness.handled) == 3
    assert harness.queue.stored == {}


async def test_a_message_lost_to_another_consumer_is_told_and_no_longer_extended() -> None:
    harness = ConsumerHarness(visibility=SHORT, latency=LONG_WORK, slots=1)
    await harness.place(1)
    async with harness.running():
        await harness.until(lambda: harness.in_flight)
        harness.queue.stored["m1"].receipt = "m1/elsewhere"
        await harness.until(lambda: harness.observer.told["visibility_lost"] == 1)
        seen = len(harness.queue.changes)
        await asyncio.sleep(10)
        assert len(harness.queue.changes) == seen
    assert harness.observer.told["visibility_lost"] == 1


class TimedChanges(FakeQueue):
    """Keeps the moment of every call that changes visibilities."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[float] = []

    async def change_visibility(self, changes: Sequence[VisibilityChange]) -> list[EntryFailure]:
        self.moments += [loop_time()] * bool(changes)
        return await super().change_visibility(changes)


async def test_extensions_come_every_third_of_the_visibility_for_the_whole_of_it() -> None:
    queue = TimedChanges()
    harness = ConsumerHarness(
        slots=1,
        visibility=timedelta(seconds=1.5),
        latency=timedelta(seconds=1.9),
        queue=queue,
        wait=timedelta(seconds=1),
    )
    await harness.place(1)
    async with harness.running():
        await harness.until_empty()
    assert queue.moments == pytest.approx([0.5, 1.0, 1.5], abs=0.05)
    assert [change.after.total_seconds() for change in queue.changes] == pytest.approx([1.5] * 3, abs=0.01)


async def test_an_extension_that_fails_is_tried_again_after_a_quarter_of_the_rhythm() -> None:
    queue, visibility = TimedChanges(), timedelta(seconds=12)
    queue.refuse = lambda _call, _receipt: loop_time() < 5.5
    heartbeat = VisibilityHeartbeat(queue=queue, visibility=visibility, observer=Observer())
    await queue.send("body", attributes={})
    (message,) = await queue.receive(most=1, wait=timedelta(0), visibility=visibility)
    heartbeat.hold(message)
    async with asyncio.TaskGroup() as loops:
        loops.create_task(heartbeat.run())
        await asyncio.sleep(11)
        heartbeat.close()
    assert queue.moments == pytest.approx([4, 5, 6, 10], abs=0.05)


@pytest.mark.parametrize(("finished", "extended"), [(1.0, 4.0), (3.9, 4.9)])
async def test_a_delete_has_a_quarter_of_the_rhythm_before_its_message_is_extended_again(
    finished: float, extended: float
) -> None:
    queue, visibility = TimedChanges(), timedelta(seconds=12)
    heartbeat = VisibilityHeartbeat(queue=queue, visibility=visibility, observer=Observer())
    await queue.send("body", attributes={})
    (message,) = await queue.receive(most=1, wait=timedelta(0), visibility=visibility)
    heartbeat.hold(message)
    async with asyncio.TaskGroup() as loops:
        loops.create_task(heartbeat.run())
        await asyncio.sleep(finished)
        heartbeat.finish(message)
        await asyncio.sleep(6 - finished)
        heartbeat.close()
    assert queue.moments == pytest.approx([extended], abs=1e-3)


async def test_a_hand_back_that_never_gets_through_is_tried_three_times_and_comes_back_by_itself() -> None:
    queue, visibility = TimedChanges(), timedelta(seconds=30)
    queue.refuse = lambda _call, _receipt: True
    heartbeat = VisibilityHeartbeat(queue=queue, visibility=visibility, observer=Observer())
    await queue.send("body", attributes={})
    (message,) = await queue.receive(most=1, wait=timedelta(0), visibility=visibility)
    heartbeat.hold(message)
    async with asyncio.TaskGroup() as loops:
        loops.create_task(heartbeat.run())
        heartbeat.hand_back(message, after=timedelta(0))
        await asyncio.sleep(29)
        assert queue.visible() == []
        heartbeat.close()
    assert queue.moments == pytest.approx([0, 0.2, 0.4], abs=0.05)
    await asyncio.sleep(2)
    assert [stored.body for stored in queue.visible()] == ["body"]


async def test_what_is_handed_back_meanwhile_leaves_without_a_pause() -> None:
    queue = TimedChanges()
    heartbeat = VisibilityHeartbeat(queue=queue, visibility=timedelta(seconds=30), observer=Observer())
    for _ in range(2):
        await queue.send("body", attributes={})
    first, second = await queue.receive(most=2, wait=timedelta(0), visibility=timedelta(seconds=30))
    queue.round_trip = timedelta(seconds=0.1)
    async with asyncio.TaskGroup() as loops:
        loops.create_task(heartbeat.run())
        heartbeat.hand_back(first, after=timedelta(0))
        await asyncio.sleep(0.05)
        heartbeat.hand_back(second, after=timedelta(0))
        heartbeat.close()
    assert queue.moments == pytest.approx([0, 0.1], abs=1e-3)
    assert len(queue.visible()) == 2


async def test_a_hand_back_that_fails_is_tried_again_after_a_pause() -> None:
    harness = ConsumerHarness(latency=timedelta(hours=1), wait=timedelta(seconds=1), drain=timedelta(seconds=2))
    await harness.place(1)
    refused: list[float] = []

    def refuse_twice(_call: str, _receipt: str) -> bool:
        refused.append(loop_time())
        return len(refused) <= 2

    async with harness.running():
        await harness.until(lambda: harness.in_flight)
        harness.queue.refuse = refuse_twice
        harness.stop.set()
    assert len(refused) == 3
    assert all(later - sooner >= 0.2 for sooner, later in itertools.pairwise(refused))
    assert len(harness.queue.visible()) == 1


class LateAnswers(FakeQueue):
    """Deletes at once and says so late."""

    async def delete_batch(self, receipts: Sequence[str]) -> list[EntryFailure]:
        failures = await super().delete_batch(receipts)
        await asyncio.sleep(3)
        return failures


async def test_a_message_that_was_deleted_is_not_lost_while_the_answer_is_on_its_way() -> None:
    harness = ConsumerHarness(slots=10, visibility=SHORT, queue=LateAnswers(), latency=timedelta(seconds=1.9))
    bodies = await harness.place(10)
    async with harness.running():
        await harness.until(lambda: len(harness.queue.deleted) == 10)
        await asyncio.sleep(10)
    assert sorted(harness.handled) == sorted(bodies)
    assert harness.observer.told == {"received": 10, "redelivered": 0}


async def test_an_extension_that_is_due_when_the_work_ends_gives_the_delete_way() -> None:
    harness = ConsumerHarness(visibility=SHORT, latency=timedelta(seconds=1.9))
    harness.queue.round_trip = timedelta(milliseconds=100)
    await harness.place(5)
    async with harness.running():
        await harness.until_empty()
        await asyncio.sleep(10)
    assert harness.queue.changes == []


async def test_a_message_whose_delete_fails_for_long_stays_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashbus.acks.random.uniform", lambda _low, high: high)
    harness = ConsumerHarness(slots=1, visibility=SHORT, latency=timedelta(seconds=1))
    harness.queue.refuse = lambda call, _receipt: call == "delete" and loop_time() < 15
    await harness.place(1)
    async with harness.running():
        await harness.until_empty()
    assert loop_time() > 15
    assert harness.observer.told["redelivered"] == 0


async def test_a_long_visibility_is_extended_as_far_as_sqs_allows() -> None:
    harness = ConsumerHarness(slots=1, visibility=timedelta(hours=10), latency=timedelta(hours=11.5))
    bodies = await harness.place(1)
    async with harness.running():
        await asyncio.sleep(11 * HOUR)
        assert harness.queue.visible() == []
        await asyncio.sleep(HOUR)
    assert harness.handled == bodies
    assert harness.queue.stored == {}
    assert harness.observer.told == {"received": 1, "redelivered": 0}


@pytest.mark.parametrize("hours", [1, 5, 9, 10, 12])
async def test_work_beyond_what_sqs_can_hide_is_told_once_and_counts_as_no_loss(hours: int) -> None:
    harness = ConsumerHarness(slots=1, visibility=timedelta(hours=hours), latency=timedelta(hours=13))
    await harness.place(1)
    told = harness.observer.told
    with capture_logs() as lines:
        async with harness.running():
            await asyncio.sleep(12 * HOUR - 90)
            assert (harness.queue.visible(), told["visibility_limit_reached"]) == ([], 0)
            await asyncio.sleep(60)
            assert told["visibility_limit_reached"] == 1
            await asyncio.sleep(HOUR)
    assert told["visibility_limit_reached"] == 1
    assert told["visibility_lost"] == 0
    reached = [line for line in lines if line["event"] == "visibility_limit_reached"]
    assert [line["message_id"] for line in reached] == ["m1"]


async def test_a_message_at_its_limit_keeps_no_other_from_being_extended() -> None:
    queue, hour = FakeQueue(), timedelta(hours=1)
    heartbeat = VisibilityHeartbeat(queue=queue, visibility=hour, observer=Observer())
    async with asyncio.TaskGroup() as loops:
        loops.create_task(heartbeat.run())
        for body in ("old", "new"):
            await queue.send(body, attributes={})
            messages = await queue.receive(most=10, wait=timedelta(0), visibility=hour)
            heartbeat.hold(next(message for message in messages if message.body == body))
            await asyncio.sleep(11.9 * HOUR if body == "new" else 12.1 * HOUR)
        assert "new" not in [stored.body for stored in queue.visible()]
        heartbeat.close()


async def handed_back(*, at: float) -> FakeQueue:
    """The queue of a message that was to come back in five minutes, so many seconds after it was received."""
    queue = FakeQueue()
    heartbeat = VisibilityHeartbeat(queue=queue, visibility=timedelta(hours=12), observer=Observer())
    await queue.send("body", attributes={})
    (message,) = await queue.receive(most=1, wait=timedelta(0), visibility=timedelta(hours=12))
    heartbeat.hold(message)
    async with asyncio.TaskGroup() as loops:
        loops.create_task(heartbeat.run())
        await asyncio.sleep(at)
        heartbeat.hand_back(message, after=timedelta(minutes=5))
        await asyncio.sleep(1)
        heartbeat.close()
    return queue


async def test_a_hand_back_close_to_the_limit_comes_no_later_than_it() -> None:
    queue = await handed_back(at=12 * HOUR - 120)
    assert [change.after.total_seconds() for change in queue.changes] == [pytest.approx(60, abs=0.01)]
    assert queue.stored["m1"].visible_at == pytest.approx(12 * HOUR - 60, abs=0.01)


async def test_a_hand_back_beyond_the_limit_comes_at_once() -> None:
    queue = await handed_back(at=12 * HOUR - 30)
    assert [change.after for change in queue.changes] == [timedelta(0)]
