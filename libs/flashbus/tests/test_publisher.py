import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from flashbus.publisher import GroupCommitPublisher, PublishError
from flashbus.testing import FakeTopic, wait_until
from flashbus.topic import MAX_BATCH_BYTES, Entry, Refusal, Topic, TopicError

pytestmark = pytest.mark.real_time

LONG = timedelta(seconds=5)
NEVER = timedelta(minutes=5)


def entries(count: int, *, size: int = 10) -> list[Entry]:
    return [Entry(f"{number:04}" + "x" * (size - 4)) for number in range(count)]


def publisher(topic: Topic, **options: object) -> GroupCommitPublisher:
    return GroupCommitPublisher(topic=topic, **({"linger": timedelta(0), "timeout": LONG} | options))  # type: ignore[arg-type] # the test gives what the constructor takes


async def test_concurrent_callers_share_full_batches() -> None:
    topic = FakeTopic()
    async with publisher(topic, linger=NEVER) as publish:
        await asyncio.gather(*(publish.publish(entry) for entry in entries(30)))
    assert topic.calls == [10, 10, 10]
    assert sorted(entry.message for entry in topic.published) == [entry.message for entry in entries(30)]


async def test_a_lonely_caller_waits_no_longer_than_the_linger() -> None:
    topic = FakeTopic()
    async with publisher(topic, linger=timedelta(milliseconds=20)) as publish:
        started = asyncio.get_running_loop().time()
        await publish.publish(Entry("alone"))
        assert 0.019 <= asyncio.get_running_loop().time() - started < 2
    assert topic.calls == [1]


async def test_who_comes_in_the_turn_in_which_the_linger_ends_shares_the_batch() -> None:
    topic = FakeTopic()

    async def after_a_turn(entry: Entry) -> None:
        await asyncio.sleep(0)
        await publish.publish(entry)

    async with publisher(topic, linger=timedelta(milliseconds=10)) as publish:
        first = asyncio.create_task(publish.publish(Entry("first")))
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251 - the loop is busy until the linger is over
        await asyncio.gather(first, *(after_a_turn(entry) for entry in entries(3)))
    assert topic.calls == [4]


async def test_one_timer_is_set_for_all_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, timers = asyncio.get_running_loop(), list[str]()
    call_at = loop.call_at

    def noted(when: float, callback: Callable[..., object], *arguments: object) -> asyncio.TimerHandle:
        timers.append(callback.__name__)
        return call_at(when, callback, *arguments)

    monkeypatch.setattr(loop, "call_at", noted)
    async with publisher(FakeTopic(), linger=timedelta(milliseconds=20)) as publish:
        await asyncio.gather(*(publish.publish(entry) for entry in entries(5)))
    assert timers.count("_lingered") == 1


async def test_a_batch_holds_no_more_bytes_than_a_call_may() -> None:
    topic = FakeTopic()
    sizes = [MAX_BATCH_BYTES - 100, 200, MAX_BATCH_BYTES, 300, 300]
    async with publisher(topic, linger=timedelta(milliseconds=10)) as publish:
        await asyncio.gather(*(publish.publish(Entry("x" * size)) for size in sizes))
    assert [len(entry.message) for entry in topic.published] == sizes
    assert topic.calls == [1, 1, 1, 2]


async def test_attributes_and_characters_count_in_bytes() -> None:
    assert Entry("é€", {"type": "a"}).size_bytes == 5 + len("type") + len("String") + 1


async def test_an_entry_too_large_for_any_batch_is_refused_at_once() -> None:
    topic = FakeTopic()
    async with publisher(topic) as publish:
        with pytest.raises(PublishError, match="too_large") as caught:
            await publish.publish(Entry("x" * (MAX_BATCH_BYTES + 1)))
    assert not caught.value.retryable
    assert topic.calls == []


async def test_each_caller_learns_of_its_own_entry() -> None:
    topic = FakeTopic()
    topic.refuse["0003"] = "InvalidParameter"
    async with publisher(topic, linger=NEVER) as publish:
        outcomes = await asyncio.gather(*(publish.publish(entry) for entry in entries(10)), return_exceptions=True)
    assert topic.calls == [10]
    refused = [index for index, outcome in enumerate(outcomes) if outcome is not None]
    assert refused == [3]
    assert isinstance(outcomes[3], PublishError)
    assert outcomes[3].reason == "refused"
    assert "InvalidParameter" in str(outcomes[3])
    assert outcomes[3].certain


async def test_a_failed_call_fails_all_its_callers_and_no_other() -> None:
    topic = FakeTopic()
    async with publisher(topic, linger=NEVER) as publish:
        topic.down = True
        first = await asyncio.gather(*(publish.publish(entry) for entry in entries(10)), return_exceptions=True)
        topic.down = False
        second = await asyncio.gather(*(publish.publish(entry) for entry in entries(10)), return_exceptions=True)
    assert {outcome.reason for outcome in first if isinstance(outcome, PublishError)} == {"unavailable"}
    assert second == [None] * 10
    assert len(topic.published) == 10


async def test_a_topic_that_does_not_answer_costs_the_timeout_and_no_more() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with publisher(topic, timeout=timedelta(milliseconds=50)) as publish:
        started = asyncio.get_running_loop().time()
        with pytest.raises(PublishError, match="unavailable") as caught:
            await publish.publish(Entry("late"))
        assert caught.value.retryable
        assert asyncio.get_running_loop().time() - started < LONG.total_seconds()
    assert topic.published == []


async def test_a_cancelled_caller_takes_only_its_own_entry_with_it() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with publisher(topic, max_in_flight=1) as publish:
        first = asyncio.create_task(publish.publish(Entry("first")))
        await wait_until(lambda: topic.in_flight == 1)
        others = [asyncio.create_task(publish.publish(entry)) for entry in entries(3)]
        await asyncio.sleep(0)
        others[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await others[1]
        topic.gate.set()
        await asyncio.gather(first, others[0], others[2])
    assert [entry.message[:4] for entry in topic.published] == ["firs", "0000", "0002"]
    assert topic.calls == [1, 2]


async def test_a_caller_cancelled_in_flight_does_not_stop_its_batch() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with publisher(topic, linger=NEVER) as publish:
        tasks = [asyncio.create_task(publish.publish(entry)) for entry in entries(10)]
        await wait_until(lambda: topic.in_flight == 1)
        tasks[0].cancel()
        topic.gate.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [None] * 9
    assert topic.calls == [10]


async def test_batches_in_flight_are_bounded_and_the_next_ones_fill_meanwhile() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with publisher(topic, max_in_flight=2) as publish:
        tasks = []
        for entry in entries(24):
            tasks.append(asyncio.create_task(publish.publish(entry)))
            await asyncio.sleep(0)
        await wait_until(lambda: topic.in_flight == 2)
        topic.gate.set()
        await asyncio.gather(*tasks)
    assert topic.peak_in_flight == 2
    assert sum(topic.calls) == 24
    assert 10 in topic.calls


async def test_too_many_waiting_callers_are_refused_at_once() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with publisher(topic, max_in_flight=1, max_waiting=5, linger=NEVER) as publish:
        outcomes = [asyncio.create_task(publish.publish(entry)) for entry in entries(6)]
        await wait_until(lambda: any(task.done() for task in outcomes))
        with pytest.raises(PublishError, match="overloaded"):
            await outcomes[5]
        topic.gate.set()
        closing = asyncio.create_task(publish.aclose())
        assert await asyncio.gather(*outcomes[:5]) == [None] * 5
        await closing


async def test_closing_sends_what_waits_and_refuses_what_comes_later() -> None:
    topic = FakeTopic()
    async with publisher(topic, linger=NEVER, max_in_flight=1) as publish:
        tasks = [asyncio.create_task(publish.publish(entry)) for entry in entries(13)]
        await wait_until(lambda: topic.published)
    assert all(task.done() for task in tasks)
    assert len(topic.published) == 13
    with pytest.raises(PublishError, match="closed"):
        await publish.publish(Entry("too late"))


async def test_every_call_is_reported_with_its_size_and_duration() -> None:
    seen: list[tuple[int, float]] = []
    async with publisher(FakeTopic(), linger=NEVER, on_batch=lambda size, took: seen.append((size, took))) as publish:
        await asyncio.gather(*(publish.publish(entry) for entry in entries(10)))
    assert [size for size, _ in seen] == [10]
    assert seen[0][1] >= 0


class BrokenTopic:
    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        raise ZeroDivisionError(f"a bug with {len(entries)} entries")


async def test_a_bug_in_the_topic_leaves_no_caller_waiting_and_is_logged() -> None:
    publish = GroupCommitPublisher(topic=BrokenTopic(), linger=timedelta(0), timeout=NEVER)
    with capture_logs() as lines:
        with pytest.raises(PublishError, match="the publisher failed") as caught:
            await publish.publish(Entry("x"))
        assert not caught.value.certain
        await publish.aclose()
    assert [line["event"] for line in lines] == ["publish_broken"]
    assert isinstance(lines[0]["exc_info"], ZeroDivisionError)


class AnsweringTopic:
    """A topic that gives one answer, after some turns of the loop: as many as it takes to read one from a socket."""

    def __init__(self, answer: Mapping[int, Refusal] | TopicError, *, turns: int = 0) -> None:
        self.published: list[str] = []
        self._answer = answer
        self._turns = turns

    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        self.published += [entry.message for entry in entries]
        for _ in range(self._turns):
            await asyncio.sleep(0)
        if isinstance(self._answer, TopicError):
            raise self._answer
        return self._answer


async def refusal(topic: Topic, **options: object) -> PublishError:
    async with publisher(topic, **options) as publish:
        with pytest.raises(PublishError) as caught:
            await publish.publish(Entry("x"))
    return caught.value


@pytest.mark.parametrize("certain", [True, False])
async def test_whether_a_failure_is_certain_is_what_the_topic_says(*, certain: bool) -> None:
    failed = await refusal(AnsweringTopic(TopicError("down", certain=certain)))
    refused = await refusal(AnsweringTopic({0: Refusal("Code", certain=certain)}))
    assert (failed.reason, failed.certain) == ("unavailable", certain)
    assert (refused.reason, refused.certain) == ("refused", certain)


async def test_what_was_under_way_when_the_time_was_up_is_not_certain() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    error = await refusal(topic, timeout=timedelta(milliseconds=20))
    assert (error.reason, error.certain) == ("unavailable", False)


async def test_refusals_at_the_door_are_certain() -> None:
    topic = FakeTopic()
    assert (await refusal(topic, max_waiting=0)).certain
    publish = publisher(topic)
    with pytest.raises(PublishError) as caught:
        await publish.publish(Entry("x" * (MAX_BATCH_BYTES + 1)))
    assert caught.value.certain
    await publish.aclose()
    with pytest.raises(PublishError) as caught:
        await publish.publish(Entry("x"))
    assert caught.value.certain
    assert topic.calls == []


async def test_a_cancelled_call_is_not_certain() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    publish = publisher(topic)
    caller = asyncio.create_task(publish.publish(Entry("x")))
    await wait_until(lambda: topic.in_flight)
    for task in asyncio.all_tasks():
        if task.get_name() == "publish-batch":
            task.cancel()
    with pytest.raises(PublishError) as caught:
        await caller
    assert not caught.value.certain
    assert topic.in_flight == 0


@pytest.mark.parametrize("turns", [0, 8])
async def test_after_a_freeze_the_answer_that_came_meanwhile_counts(turns: int) -> None:
    # The call is under way when the loop stands still for longer than the timeout; its answer needs no more time.
    topic = AnsweringTopic({}, turns=turns + 1)
    async with publisher(topic, timeout=timedelta(milliseconds=20)) as publish:
        caller = asyncio.create_task(publish.publish(Entry("x")))
        while not topic.published:  # noqa: ASYNC110 - turn by turn, as the call shall not be over
            await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 - the freeze
        await asyncio.wait([caller])
    assert caller.exception() is None
    assert topic.published == ["x"]


async def test_after_a_freeze_nothing_leaves_whose_caller_is_told_that_it_did_not() -> None:
    topic = FakeTopic()
    async with publisher(topic, timeout=timedelta(milliseconds=20), linger=timedelta(milliseconds=10)) as publish:
        caller = asyncio.create_task(publish.publish(Entry("x")))
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 - the freeze
        with pytest.raises(PublishError) as caught:
            await caller
    assert caught.value.certain
    assert topic.calls == []
