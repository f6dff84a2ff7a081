"""What can never be finished goes to the dead-letter queue, and nothing is lost on the way."""

from datetime import timedelta

from structlog.testing import capture_logs

from flashbus.dead_letters import dead_letter_attributes
from flashbus.dispositions import DeadLetter, Disposition
from flashbus.queue import Message
from flashbus.testing import ConsumerHarness


async def malformed(_message: Message) -> Disposition:
    return DeadLetter(reason="malformed", detail="not\x00 JSON", outcome="poison")


async def test_a_dead_letter_is_the_message_with_the_reason_beside_it() -> None:
    harness = ConsumerHarness(handler=malformed)
    await harness.queue.send("{", attributes={"type": "who-knows"})
    with capture_logs() as lines:
        async with harness.running():
            await harness.until_empty()
    (dead,) = harness.dead.stored.values()
    assert dead.body == "{"
    assert dead.attributes == {
        "type": "who-knows",
        "dead_letter_reason": "malformed",
        "dead_letter_detail": "not  JSON",
        "dead_letter_receives": "1",
    }
    assert harness.observer.outcomes == {"poison": 1}
    (line,) = [line for line in lines if line["event"] == "message_handled"]
    assert (line["log_level"], line["reason"], line["outcome"]) == ("warning", "malformed", "poison")


async def test_a_message_is_not_deleted_before_the_dead_letter_queue_has_it() -> None:
    harness = ConsumerHarness(handler=malformed)
    harness.dead.unavailable = True
    await harness.place(1)
    async with harness.running():
        await harness.until(lambda: harness.observer.outcomes["retry"] >= 2)
        assert list(harness.queue.stored) == ["m1"]
        assert harness.queue.changes[0].after <= timedelta(seconds=1)
        harness.dead.unavailable = False
        await harness.until_empty()
    assert len(harness.dead.stored) == 1
    assert harness.observer.outcomes["poison"] == 1


def test_there_are_never_more_than_ten_attributes_or_an_empty_one() -> None:
    given = {f"a{number}": "x" for number in range(12)}
    attributes = dead_letter_attributes(given, reason="r", detail="", receives=7)
    assert len(attributes) == 10
    assert attributes["dead_letter_detail"] == "none"
    assert attributes["dead_letter_receives"] == "7"


def test_a_dead_letter_that_came_back_has_the_latest_reason_only() -> None:
    once = dead_letter_attributes({"type": "t"}, reason="first", detail="d" * 1000, receives=1)
    assert len(once["dead_letter_detail"]) == 256
    again = dead_letter_attributes(once, reason="second", detail="e", receives=2)
    assert again == {
        "type": "t",
        "dead_letter_reason": "second",
        "dead_letter_detail": "e",
        "dead_letter_receives": "2",
    }
