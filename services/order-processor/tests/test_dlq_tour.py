"""A tour of the dead letters acts on those that are meant, and leaves the rest as it was."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flashbus.dead_letters import dead_letter_attributes
from flashbus.queue import MessageSender, Queue, QueueUnavailableError
from flashbus.testing import FakeQueue, loop_time
from order_processor.dlq.actions import Action, Discard, Edit, Redrive
from order_processor.dlq.audit_log import AuditLog, Author
from order_processor.dlq.places import Home, QueueName
from order_processor.dlq.selection import Selection
from order_processor.dlq.tour import Tour
from order_processor.dlq.visits import Acting, Listing, Showing, Visit

AUTHOR = Author(by="ada", why="a typing mistake")
RUN = "run-1"


def wall_clock() -> datetime:
    """As the fake queue dates its messages."""
    return datetime.fromtimestamp(loop_time(), UTC)


@dataclass
class Shop:
    """Three dead-letter queues, the two ways back, and what was printed."""

    folder: Path
    given_up: FakeQueue = field(default_factory=FakeQueue)
    undelivered: FakeQueue = field(default_factory=FakeQueue)
    function: FakeQueue = field(default_factory=FakeQueue)
    queue: FakeQueue = field(default_factory=FakeQueue)
    topic: FakeQueue = field(default_factory=FakeQueue)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    printed: list[str] = field(default_factory=list)

    @property
    def audit_log(self) -> AuditLog:
        return AuditLog(path=self.folder / "audit.jsonl")

    @property
    def audited(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.audit_log.path.read_text().splitlines()]

    def redrive(self, *, to: Home | None = None, edit: Edit | None = None) -> Redrive:
        senders: dict[Home, MessageSender] = {"queue": self.queue, "topic": self.topic}
        return Redrive(senders=senders, audit_log=self.audit_log, run=RUN, to=to, edit=edit)

    async def fill(self, count: int, *, reason: str = "exhausted", queue: FakeQueue | None = None) -> None:
        for number in range(count):
            attributes = dead_letter_attributes({"n": str(number)}, reason=reason, detail="why", receives=3)
            await (queue or self.given_up).send(f"body {number}", attributes=attributes)

    async def act(
        self,
        action: Action | None,
        selection: Selection | None = None,
        *,
        rate: float = 1000,
        limit: int = 10_000,
        ahead: timedelta = timedelta(0),
    ) -> Acting:
        acting = Acting(
            action=action,
            doing="done",
            pause=timedelta(seconds=1 / rate),
            started=wall_clock() + ahead,
            run=RUN,
            stop=self.stop,
            say=self.printed.append,
        )
        await self.go(acting, selection, limit=limit)
        return acting

    async def go(self, visit: Visit, selection: Selection | None = None, *, limit: int = 10_000) -> None:
        queues: dict[QueueName, Queue] = {
            "given-up": self.given_up,
            "undelivered": self.undelivered,
            "function": self.function,
        }
        tour = Tour(queues=queues, selection=selection or Selection(), limit=limit, now=wall_clock(), stop=self.stop)
        await tour.go(visit)
        visit.end()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def untouched(queue: FakeQueue, count: int) -> bool:
    return len(queue.visible()) == len(queue.stored) == count


async def test_a_list_leaves_everything_where_it_was_and_visible(shop: Shop) -> None:
    await shop.fill(25)
    await shop.go(Listing(say=shop.printed.append, now=wall_clock()))
    assert untouched(shop.given_up, 25)
    assert len(shop.printed) == 27
    assert shop.printed[-1].startswith("25 dead letters")


async def test_showing_prints_the_letters_that_are_meant(shop: Shop) -> None:
    await shop.fill(2)
    await shop.go(Showing(say=shop.printed.append, now=wall_clock()), Selection(message_id="m2"))
    assert "body 1" in "\n".join(shop.printed)
    assert "body 0" not in "\n".join(shop.printed)
    assert "no dead letter is meant by this" not in shop.printed
    await shop.go(Showing(say=shop.printed.append, now=wall_clock()), Selection(message_id="m3"))
    assert shop.printed[-1] == "no dead letter is meant by this"


async def test_a_redriven_letter_goes_back_with_its_body_and_its_reason(shop: Shop) -> None:
    await shop.fill(1)
    await shop.act(shop.redrive())
    assert shop.given_up.stored == {}
    (sent,) = shop.queue.stored.values()
    assert sent.body == "body 0"
    own = {"n": "0", "dead_letter_redriven_in": RUN}
    assert sent.attributes == dead_letter_attributes(own, reason="exhausted", detail="why", receives=3)


async def test_each_queue_has_its_own_way_back(shop: Shop) -> None:
    await shop.fill(1)
    await shop.undelivered.send("from the topic", attributes={})
    event = {"requestPayload": {"Records": [{"Sns": {"Message": "from the function"}}]}}
    await shop.function.send(json.dumps(event), attributes={})
    await shop.act(shop.redrive())
    assert [stored.body for stored in shop.queue.stored.values()] == ["body 0"]
    assert [stored.body for stored in shop.topic.stored.values()] == ["from the topic", "from the function"]
    assert all("dead_letter_reason" in stored.attributes for stored in shop.topic.stored.values())


async def test_another_way_back_can_be_told(shop: Shop) -> None:
    await shop.fill(1)
    await shop.act(shop.redrive(to="topic"))
    assert [stored.body for stored in shop.topic.stored.values()] == ["body 0"]
    assert shop.queue.stored == {}


async def test_only_the_letters_that_are_meant_are_redriven(shop: Shop) -> None:
    await shop.fill(3, reason="malformed")
    await shop.fill(12)
    acting = await shop.act(shop.redrive(), Selection(reasons=frozenset({"exhausted"})))
    assert (acting.done, acting.failed) == (12, 0)
    assert len(shop.queue.stored) == 12
    assert untouched(shop.given_up, 3)


async def test_no_more_are_redriven_than_the_limit(shop: Shop) -> None:
    await shop.fill(12)
    await shop.fill(2, queue=shop.function)
    await shop.act(shop.redrive(), limit=4)
    assert len(shop.queue.stored) == 4
    assert untouched(shop.given_up, 8)
    assert untouched(shop.function, 2)


async def test_the_rate_bounds_how_fast_letters_go_back(shop: Shop) -> None:
    await shop.fill(20)
    before = loop_time()
    await shop.act(shop.redrive(), rate=2)
    assert loop_time() - before >= 10


async def test_a_dry_run_sends_and_removes_nothing(shop: Shop) -> None:
    await shop.fill(3)
    acting = await shop.act(None)
    assert acting.done == 3
    assert shop.printed[-1] == "dry run: 3 would be done"
    assert shop.queue.stored == {}
    assert untouched(shop.given_up, 3)


async def test_a_letter_is_not_removed_before_it_was_sent(shop: Shop) -> None:
    await shop.fill(2)
    shop.queue.unavailable = True
    acting = await shop.act(shop.redrive())
    assert (acting.done, acting.failed) == (0, 2)
    assert untouched(shop.given_up, 2)


async def test_a_letter_that_was_sent_and_not_removed_is_told_of(shop: Shop) -> None:
    await shop.fill(1)
    shop.given_up.refuse = lambda call, _receipt: call == "delete"
    acting = await shop.act(shop.redrive())
    assert acting.failed == 1
    assert "seen once more" in shop.printed[0]
    assert untouched(shop.given_up, 1)


async def test_a_letter_that_was_sent_before_its_queue_went_away_is_told_of_as_sent(shop: Shop) -> None:
    await shop.fill(1)

    class Last(FakeQueue):
        async def send(self, body: str, *, attributes: Mapping[str, str]) -> None:
            await super().send(body, attributes=attributes)
            shop.given_up.unavailable = True

    acting = await shop.act(Redrive(senders={"queue": Last()}, audit_log=shop.audit_log, run=RUN), limit=1)
    assert acting.failed == 1
    assert "it was sent, but not removed" in shop.printed[0]


async def test_a_queue_that_does_not_answer_is_named(shop: Shop) -> None:
    shop.undelivered.unavailable = True
    with pytest.raises(QueueUnavailableError, match=r"^undelivered: ") as caught:
        await shop.act(None)
    assert caught.value.reason == "unreachable"


async def test_what_holds_no_message_stays(shop: Shop) -> None:
    await shop.function.send("{}", attributes={})
    acting = await shop.act(shop.redrive())
    assert acting.failed == 1
    assert shop.printed == ["m1: not done: it holds no message that could be sent", "0 done, 1 failed"]
    assert untouched(shop.function, 1)


async def test_without_a_named_way_back_a_letter_stays(shop: Shop) -> None:
    await shop.fill(1)
    acting = await shop.act(Redrive(senders={"topic": shop.topic}, audit_log=shop.audit_log, run=RUN))
    assert acting.failed == 1
    assert shop.printed[0] == "m1: not done: it goes back to the queue, which nobody named"
    assert untouched(shop.given_up, 1)


class Returning(FakeQueue):
    """Whatever is sent is a dead letter again a moment later, as poison is."""

    def __init__(self, dead_letters: FakeQueue) -> None:
        super().__init__()
        self._dead_letters, self.sent = dead_letters, 0

    async def send(self, body: str, *, attributes: Mapping[str, str]) -> None:
        self.sent += 1
        await asyncio.sleep(0.1)
        again = dead_letter_attributes(attributes, reason="malformed", detail="again", receives=1)
        await self._dead_letters.send(body, attributes=again)


@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(0)])
async def test_what_fails_again_at_once_is_not_sent_round_and_round_whatever_our_clock_says(
    shop: Shop, ahead: timedelta
) -> None:
    await shop.given_up.send("poison", attributes={f"a{number}": "x" for number in range(10)})
    returning = Returning(shop.given_up)
    acting = await shop.act(
        Redrive(senders={"queue": returning}, audit_log=shop.audit_log, run=RUN), ahead=ahead, limit=20
    )
    assert (acting.done, returning.sent) == (1, 1)
    assert untouched(shop.given_up, 1)
    assert shop.printed[-1] == "1 done, 0 failed; 1 left, which came after this began, by this machine's clock"


async def test_what_another_run_has_redriven_is_redriven_again(shop: Shop) -> None:
    attributes = {"dead_letter_redriven_in": "run-0"}
    await shop.given_up.send("body", attributes=attributes)
    assert (await shop.act(shop.redrive())).done == 1
    (sent,) = shop.queue.stored.values()
    assert sent.attributes["dead_letter_redriven_in"] == RUN


@pytest.mark.parametrize("dry", [True, False])
async def test_letters_from_the_future_of_a_slow_clock_are_left_and_told_of(shop: Shop, *, dry: bool) -> None:
    await shop.fill(3)
    acting = await shop.act(None if dry else shop.redrive(), ahead=timedelta(minutes=-10))
    assert acting.done == 0
    assert shop.printed[-1].endswith("; 3 left, which came after this began, by this machine's clock")
    assert untouched(shop.given_up, 3)


async def test_told_to_stop_it_finishes_the_letter_in_hand_and_gives_the_rest_back(shop: Shop) -> None:
    await shop.fill(15)
    tour = asyncio.create_task(shop.act(shop.redrive(), rate=1))
    await asyncio.sleep(2.5)
    shop.stop.set()
    acting = await tour
    assert acting.done == 3
    assert len(shop.queue.stored) == 3
    assert untouched(shop.given_up, 12)


async def test_cancelled_it_gives_everything_back(shop: Shop) -> None:
    await shop.fill(15)
    tour = asyncio.create_task(shop.act(shop.redrive(), rate=1))
    await asyncio.sleep(2.5)
    tour.cancel()
    await asyncio.wait([tour])
    assert tour.cancelled()
    assert untouched(shop.given_up, 12)


async def test_what_is_discarded_is_in_the_audit_log_first(shop: Shop) -> None:
    await shop.fill(2)
    await shop.act(Discard(audit_log=shop.audit_log, author=AUTHOR))
    assert shop.given_up.stored == {}
    assert [(line["action"], line["by"], line["body"]) for line in shop.audited] == [
        ("discard", "ada", "body 0"),
        ("discard", "ada", "body 1"),
    ]


async def test_what_was_discarded_and_not_removed_is_told_of(shop: Shop) -> None:
    await shop.fill(1)
    shop.given_up.refuse = lambda call, _receipt: call == "delete"
    await shop.act(Discard(audit_log=shop.audit_log, author=AUTHOR))
    assert shop.printed == ["m1: not done: it was not removed", "0 done, 1 failed"]
    assert untouched(shop.given_up, 1)


async def test_what_the_audit_log_cannot_take_is_not_discarded(shop: Shop) -> None:
    await shop.fill(2)
    with pytest.raises(OSError, match="directory"):
        await shop.act(Discard(audit_log=AuditLog(path=shop.folder), author=AUTHOR))
    assert untouched(shop.given_up, 2)
