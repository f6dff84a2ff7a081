"""One message from its slot to its end."""

from datetime import timedelta

import pytest
import structlog
from structlog.testing import capture_logs

from flashbus.dispatcher import _checked
from flashbus.dispositions import Acknowledge, DeadLetter, Disposition, HandBack
from flashbus.queue import Message
from flashbus.testing import ConsumerHarness


async def test_a_message_is_logged_with_its_own_context_and_nothing_of_its_surroundings() -> None:
    seen: list[dict[str, object]] = []

    async def look(_message: Message) -> Disposition:
        seen.append(structlog.contextvars.get_contextvars())
        structlog.contextvars.bind_contextvars(order_id="mine alone")
        return Acknowledge()

    harness = ConsumerHarness(handler=look)
    structlog.contextvars.bind_contextvars(of="the surroundings")
    await harness.place(2)
    async with harness.running():
        await harness.until_empty()
    structlog.contextvars.clear_contextvars()
    assert seen == [{"message_id": "m1", "receive_count": 1}, {"message_id": "m2", "receive_count": 1}]


async def test_a_crash_is_handed_back_further_each_time_and_logged_by_its_name() -> None:
    async def crash(message: Message) -> Disposition:
        if message.receive_count < 4:
            raise ZeroDivisionError("a bug")
        return Acknowledge()

    harness = ConsumerHarness(handler=crash)
    await harness.place(1)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until_empty()
    handled = [(line["outcome"], line.get("reason")) for line in lines if line["event"] == "message_handled"]
    assert handled == [("crashed", "crashed")] * 3 + [("acknowledged", None)]
    assert all(
        change.after <= timedelta(seconds=ceiling)
        for change, ceiling in zip(harness.queue.changes, (1, 2, 4), strict=True)
    )


def test_what_a_handler_returned_in_place_of_a_disposition_is_told() -> None:
    with pytest.raises(TypeError, match="a handler returned 'done', which is no disposition"):
        _checked("done")


async def test_a_dead_letter_keeps_its_detail_and_is_logged_with_it() -> None:
    async def never(_message: Message) -> Disposition:
        return DeadLetter(outcome="poison", reason="malformed", detail="no JSON")

    harness = ConsumerHarness(handler=never)
    await harness.place(1)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until_empty()
    (dead,) = harness.dead.stored.values()
    assert (dead.attributes["dead_letter_reason"], dead.attributes["dead_letter_detail"]) == ("malformed", "no JSON")
    (line,) = (line for line in lines if line["event"] == "message_handled")
    assert (line["outcome"], line["reason"], line["detail"], line["log_level"]) == (
        "poison",
        "malformed",
        "no JSON",
        "warning",
    )


async def test_a_dead_letter_that_cannot_be_kept_now_is_tried_again_later() -> None:
    async def never(_message: Message) -> Disposition:
        return DeadLetter(outcome="poison", reason="malformed", detail="no JSON")

    harness = ConsumerHarness(handler=never)
    harness.dead.unavailable = True
    await harness.place(1)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until(lambda: harness.observer.outcomes["retry"] == 2)
            harness.dead.unavailable = False
            await harness.until_empty()
    reasons = [(line["outcome"], line["reason"]) for line in lines if line["event"] == "message_handled"]
    assert reasons == [("retry", "dead_letter_unreachable")] * 2 + [("poison", "malformed")]
    assert len(harness.dead.stored) == 1


async def test_work_is_timed_in_seconds() -> None:
    harness = ConsumerHarness(latency=timedelta(seconds=3.123456))
    await harness.place(1)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until_empty()
    assert harness.observer.seconds == [pytest.approx(3.123456)]
    (line,) = (line for line in lines if line["event"] == "message_handled")
    assert line["duration_seconds"] == 3.123456


async def test_a_message_that_is_cut_short_comes_again_at_once() -> None:
    harness = ConsumerHarness(latency=timedelta(hours=1), drain=timedelta(seconds=1), wait=timedelta(seconds=1))
    await harness.place(1)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until(lambda: harness.in_flight)
            harness.stop.set()
    assert [change.after for change in harness.queue.changes] == [timedelta(0)]
    assert harness.observer.outcomes == {}
    assert [line["event"] for line in lines] == ["drain_started", "drain_finished"]


async def test_every_kind_of_end_has_a_name_unless_its_handler_gives_it_another() -> None:
    async def each_kind(message: Message) -> Disposition:
        if message.body == "message 0":
            return DeadLetter(reason="r", detail="d")
        return HandBack(after=timedelta(seconds=1)) if message.receive_count == 1 else Acknowledge()

    harness = ConsumerHarness(handler=each_kind)
    await harness.place(2)
    with capture_logs() as lines:
        async with harness.running():
            await harness.until_empty()
    assert harness.observer.outcomes == {"dead_letter": 1, "handed_back": 1, "acknowledged": 1}
    ends = [(line["outcome"], line.get("reason")) for line in lines if line["event"] == "message_handled"]
    assert sorted(ends, key=str) == [("acknowledged", None), ("dead_letter", "r"), ("handed_back", None)]
