"""The flow of messages through slots."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.dispositions import Acknowledge, Disposition, HandBack
from flashbus.poller import Receives
from flashbus.queue import Message, QueueUnavailableError
from flashbus.testing import ConsumerHarness, FakeQueue, loop_time


async def test_every_message_is_handled_and_deleted() -> None:
    harness = ConsumerHarness(latency=timedelta(seconds=3))
    bodies = await harness.place(45)
    async with harness.running():
        await harness.until_empty()
    assert sorted(harness.handled) == sorted(bodies)
    assert harness.observer.outcomes == {"acknowledged": 45}
    assert harness.observer.told == {"received": 45, "redelivered": 0}
    assert harness.observer.seconds == pytest.approx([3.0] * 45, abs=0.001)


async def test_never_more_in_flight_than_slots() -> None:
    harness = ConsumerHarness(slots=7, latency=timedelta(seconds=1))
    await harness.place(60)
    async with harness.running():
        await harness.until_empty()
    assert harness.peak_in_flight == 7


async def test_never_receives_more_than_there_are_free_slots() -> None:
    class Watched(FakeQueue):
        asking = 0
        most = 0

        async def receive(self, *, most: int, wait: timedelta, visibility: timedelta) -> list[Message]:
            Watched.asking += most
            Watched.most = max(Watched.most, Watched.asking + harness.consumer.busy)
            try:
                return await super().receive(most=most, wait=wait, visibility=visibility)
            finally:
                Watched.asking -= most

    queue = Watched(round_trip=timedelta(milliseconds=20))
    harness = ConsumerHarness(slots=23, pollers=3, queue=queue, latency=timedelta(seconds=1))
    await harness.place(200)
    async with harness.running():
        await harness.until_empty()
    assert Watched.most == 23


@pytest.mark.parametrize(("work", "efficiency"), [(3.0, 0.98), (0.3, 0.90)])
async def test_a_hundred_slots_are_kept_busy(work: float, efficiency: float) -> None:
    harness = ConsumerHarness(slots=100, pollers=4, latency=timedelta(seconds=work))
    await harness.place(1500)
    harness.queue.round_trip = timedelta(milliseconds=10)
    async with harness.running():
        started = loop_time()
        seconds = await harness.until(lambda: len(harness.handled) == 1500) - started
    assert 1500 / seconds >= efficiency * 100 / work


async def test_a_slow_message_does_not_hold_up_the_others() -> None:
    async def slow_once(message: Message) -> Disposition:
        await asyncio.sleep(60 if message.body == "message 0" else 0.1)
        return Acknowledge()

    harness = ConsumerHarness(slots=3, handler=slow_once)
    await harness.place(30)
    async with harness.running():
        assert await harness.until(lambda: len(harness.handled) == 29) < 3
        await harness.until_empty()


async def test_a_crash_takes_no_sibling_down_and_the_message_comes_back_after_a_pause() -> None:
    crashes: list[float] = []

    async def crash_twice(message: Message) -> Disposition:
        if message.body == "message 3" and len(crashes) < 2:
            crashes.append(loop_time())
            raise ZeroDivisionError("a bug")
        return Acknowledge()

    harness = ConsumerHarness(handler=crash_twice, slots=5)
    await harness.place(10)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until_empty()
    assert harness.observer.outcomes == {"crashed": 2, "acknowledged": 10}
    assert [change.after for change in harness.queue.changes] != [timedelta(0)] * 2
    assert harness.queue.changes[0].after <= timedelta(seconds=1)
    crashed = [line for line in lines if line["event"] == "handler_crashed"]
    assert [line["log_level"] for line in crashed] == ["error"] * 2


async def test_a_handler_that_returns_nothing_has_crashed() -> None:
    async def forgetful(message: Message) -> Disposition:
        return Acknowledge() if message.receive_count > 1 else None  # type: ignore[return-value]

    harness = ConsumerHarness(handler=forgetful)
    await harness.place()
    async with harness.running():
        await harness.until_empty()
    assert harness.observer.outcomes == {"crashed": 1, "acknowledged": 1}


async def test_an_observer_that_raises_leaves_no_message_hidden() -> None:
    harness = ConsumerHarness()
    await harness.place()
    told = harness.observer.received

    def raise_once(message: Message) -> None:
        told(message)
        if message.receive_count == 1:
            raise ZeroDivisionError("a bug")

    harness.observer.received = raise_once  # type: ignore[method-assign]
    async with harness.running():
        assert await harness.until_empty() < 1


async def test_a_message_handed_back_comes_again_when_it_was_told_to() -> None:
    async def later(message: Message) -> Disposition:
        if message.receive_count == 1:
            return HandBack(after=timedelta(seconds=90.12345), reason="not_yet")
        return Acknowledge(outcome="second_time", fields={"pages": 3})

    harness = ConsumerHarness(handler=later)
    await harness.place()
    with capture_logs() as lines:
        async with harness.running():
            assert 90 <= await harness.until_empty() < 91
    handled = [line for line in lines if line["event"] == "message_handled"]
    assert [(line["outcome"], line.get("reason"), line.get("pages")) for line in handled] == [
        ("handed_back", "not_yet", None),
        ("second_time", None, 3),
    ]
    assert handled[0]["back_in_seconds"] == 90.123
    assert harness.observer.told["redelivered"] == 1


async def test_a_message_placed_while_idle_is_handled_at_once() -> None:
    harness = ConsumerHarness()
    async with harness.running():
        await asyncio.sleep(7)
        await harness.place()
        assert await harness.until_empty() < 7.1


async def test_free_slots_are_filled_ten_at_a_time() -> None:
    harness = ConsumerHarness(slots=25, pollers=2, latency=timedelta(seconds=5))
    await harness.place(40)
    async with harness.running():
        await harness.until(lambda: harness.in_flight == 25)
        assert sorted(harness.queue.receives) == [(5, 5), (10, 10), (10, 10)]


async def test_an_idle_consumer_polls_long_and_seldom() -> None:
    harness = ConsumerHarness(slots=100, pollers=4, wait=timedelta(seconds=20))
    async with harness.running():
        await asyncio.sleep(200)
        assert len(harness.queue.receives) <= 4 * 10


async def test_receiving_goes_on_after_the_queue_was_away() -> None:
    harness = ConsumerHarness()
    await harness.place(5)
    harness.queue.unavailable = True
    async with harness.running():
        assert harness.consumer.receiving
        await harness.until(lambda: not harness.consumer.receiving)
        await asyncio.sleep(600)
        harness.queue.unavailable = False
        back = loop_time()
        assert await harness.until_empty() - back < 11
        assert harness.consumer.receiving
    told = harness.observer.told
    assert 0 < told["receive_failed unreachable"] == told["receive_failed"] < 600


async def test_one_blip_that_meets_every_poller_is_no_outage() -> None:
    receives = Receives()
    failing: list[bool] = []
    for poller in ("first", "second", "third", "second"):
        receives.failed(poller)
        failing.append(receives.failing)
    assert failing == [False, False, False, True]
    receives.answered()
    assert receives.failed("second") == 1
    assert not receives.failing


async def test_busy_slots_are_shown() -> None:
    harness = ConsumerHarness(slots=4, latency=timedelta(seconds=5))
    await harness.place(9)
    async with harness.running():
        await harness.until(lambda: harness.in_flight == 4)
        assert harness.consumer.busy == 4
        await harness.until_empty()
        assert harness.consumer.busy == 0


async def test_a_broken_loop_ends_the_consumer_and_cuts_its_handlers_short() -> None:
    class Broken(FakeQueue):
        async def delete_batch(self, receipts: Sequence[str]) -> list[object]:  # type: ignore[override]
            raise RuntimeError(f"a bug over {len(receipts)} receipts")

    ended: list[str] = []

    async def one_hangs(message: Message) -> Disposition:
        try:
            await asyncio.sleep(3600 if message.body == "message 1" else 0)
        finally:
            ended.append(message.body)
        return Acknowledge()

    harness = ConsumerHarness(slots=2, queue=Broken(), handler=one_hangs)
    await harness.place(2)
    with pytest.raises(ExceptionGroup) as caught:
        async with harness.running() as task:
            await asyncio.wait([task])
    assert caught.group_contains(RuntimeError, match="a bug over 1 receipts")
    assert ended == ["message 0", "message 1"]
    # Not at once: a consumer that breaks again and again must not use up a message's receives.
    assert harness.queue.changes == []


async def test_a_full_batch_is_acknowledged_in_one_call() -> None:
    harness = ConsumerHarness(slots=20, latency=timedelta(seconds=1))
    await harness.place(40)
    async with harness.running():
        await harness.until_empty()
    assert harness.queue.delete_calls == [10, 10, 10, 10]


async def test_an_acknowledgement_that_fails_is_tried_again() -> None:
    harness = ConsumerHarness(slots=12)
    refused: set[str] = set()

    def refuse_first(call: str, receipt: str) -> bool:
        first = call == "delete" and receipt not in refused
        refused.add(receipt)
        return first

    harness.queue.refuse = refuse_first
    await harness.place(12)
    async with harness.running():
        await harness.until_empty()
    assert harness.observer.told == {"received": 12, "redelivered": 0, "ack_retried": 12}


async def test_an_acknowledgement_that_never_works_is_given_up_and_the_message_comes_again() -> None:
    harness = ConsumerHarness(visibility=timedelta(seconds=40))
    harness.queue.refuse = lambda call, receipt: call == "delete" and receipt == "m1/1"
    await harness.place(1)
    async with harness.running():
        await harness.until_empty()
    assert harness.observer.told["ack_given_up"] == 1
    assert harness.handled == ["message 0"] * 2


async def test_a_delete_call_that_is_lost_is_tried_again() -> None:
    class Flaky(FakeQueue):
        lost = 0

        async def delete_batch(self, receipts: Sequence[str]) -> list[object]:  # type: ignore[override]
            if not self.lost:
                Flaky.lost += 1
                raise QueueUnavailableError("lost", reason="unreachable")
            return list(await super().delete_batch(receipts))

    harness = ConsumerHarness(queue=Flaky())
    await harness.place(3)
    async with harness.running():
        await harness.until_empty()
    assert harness.observer.told["redelivered"] == 0
    assert harness.observer.told["ack_retried"] > 0
