"""How long a publisher waits and how much it takes unless told otherwise, and what it says of what it did not send."""

import asyncio

import pytest

from flashbus.publisher import GroupCommitPublisher, PublishError
from flashbus.testing import FakeTopic, wait_until
from flashbus.topic import MAX_BATCH_BYTES, Entry

TWENTY_FIVE = [str(number) for number in range(25)]


def loop_time() -> float:
    return asyncio.get_running_loop().time()


async def refusal(publish: GroupCommitPublisher, message: str = "x") -> PublishError:
    with pytest.raises(PublishError) as caught:
        await publish.publish(Entry(message))
    return caught.value


async def test_a_lonely_entry_waits_five_milliseconds_for_company() -> None:
    async with GroupCommitPublisher(topic=FakeTopic()) as publish:
        began = loop_time()
        await publish.publish(Entry("alone"))
        assert loop_time() - began == pytest.approx(0.005, abs=1e-6)


async def test_a_caller_waits_eight_tenths_of_a_second_and_hears_that_no_acknowledgement_came() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic) as publish:
        began = loop_time()
        error = await refusal(publish)
        assert loop_time() - began == pytest.approx(0.8, abs=1e-6)
    assert (str(error), error.reason) == ("unavailable: no acknowledgement in time", "unavailable")
    assert (error.certain, error.retryable) == (False, True)


async def test_sixteen_batches_are_under_way_at_once_and_two_thousand_entries_wait_for_the_next() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic) as publish:
        callers = [asyncio.create_task(publish.publish(Entry(str(number)))) for number in range(2_160)]
        await asyncio.sleep(0.1)
        assert topic.in_flight == 16
        assert not any(caller.done() for caller in callers)
        error = await refusal(publish)
        assert (str(error), error.certain, error.retryable) == ("overloaded: 2000 entries wait", True, True)
        topic.gate.set()
        await asyncio.gather(*callers)
    assert topic.calls == [10] * 216


async def test_what_was_not_sent_says_so() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic, max_in_flight=1) as publish:
        under_way = [asyncio.create_task(publish.publish(Entry(str(number)))) for number in range(10)]
        await asyncio.sleep(0)
        error = await refusal(publish)
        await asyncio.gather(*under_way, return_exceptions=True)
    assert (str(error), error.certain) == ("unavailable: not sent in time", True)
    assert topic.calls == [10]


async def test_an_entry_whose_caller_timed_out_in_the_queue_is_never_sent() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic, max_in_flight=1) as publish:
        outcomes = await asyncio.gather(*(publish.publish(Entry(one)) for one in TWENTY_FIVE), return_exceptions=True)
        assert all(isinstance(outcome, PublishError) for outcome in outcomes)
        await wait_until(lambda: not topic.in_flight)
        topic.gate.set()
        await publish.publish(Entry("next"))
    # The first call was cut off; the others never left.
    assert [entry.message for entry in topic.published] == ["next"]


async def test_what_never_left_is_certain() -> None:
    topic = FakeTopic()
    topic.gate.clear()
    async with GroupCommitPublisher(topic=topic, max_in_flight=1) as publish:
        outcomes = await asyncio.gather(*(publish.publish(Entry(one)) for one in TWENTY_FIVE), return_exceptions=True)
        await wait_until(lambda: not topic.in_flight)
        topic.gate.set()
    certain = [outcome.certain for outcome in outcomes if isinstance(outcome, PublishError)]
    assert certain == [False] * 10 + [True] * 15
    assert topic.published == []


async def test_a_failure_of_the_topic_is_told_in_its_words_to_each_who_waits() -> None:
    topic = FakeTopic()
    topic.down = True
    async with GroupCommitPublisher(topic=topic) as publish:
        errors = await asyncio.gather(*(refusal(publish) for _ in range(3)))
    assert [str(error) for error in errors] == ["unavailable: the fake topic is down"] * 3
    assert len(set(map(id, errors))) == 3


async def test_a_refused_entry_says_why() -> None:
    topic = FakeTopic()
    topic.refuse["x"] = "InvalidParameter"
    publish = GroupCommitPublisher(topic=topic)
    assert str(await refusal(publish)) == "refused: InvalidParameter"
    too_large = await refusal(publish, "x" * (MAX_BATCH_BYTES + 1))
    assert (str(too_large), too_large.retryable) == (f"too_large: {MAX_BATCH_BYTES + 1} bytes", False)
    await publish.aclose()
    assert str(await refusal(publish)) == "closed"
