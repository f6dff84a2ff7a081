"""From one record to its outcome: what the settler says, what it is asked, and how long the record_settler goes on."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from flashmsg import MalformedMessageError, Order, OrderPlaced, OrderStatus, encode
from flashpay import (
    Busy,
    Duplicate,
    GatewayUnavailableError,
    GivenUp,
    GiveUp,
    KeyReusedError,
    LedgerEntry,
    LedgerUnavailableError,
    Settled,
    Settlement,
)
from flashpay.testing import START, sample_order, sample_reservation
from lambda_handler.record_outcomes import Known, RecordOutcome
from lambda_handler.record_settler import RecordSettler
from lambda_handler.records import QueueRecord, Record
from lambda_handler.testing import MAX_RECEIVES, FakeDeadLetters, message, notification

ORDER = sample_order()
RESERVATION = sample_reservation()
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
OPEN = LedgerEntry.claimed_first(ORDER, owner="w", lease_until=START, now=START)
COMPLETED = replace(OPEN, status=OrderStatus.COMPLETED, charge_id="ch_1")
FAILED = replace(OPEN, status=OrderStatus.FAILED, reason="exhausted")
DOWN = GatewayUnavailableError("500", reason="server_error", status=500)
THROTTLED = LedgerUnavailableError("slow", reason="throttled")
REFUSED = KeyReusedError("used before", reason="key_reused")
NOON = 43_200.0
PAYMENT_SECONDS = 10.0


@dataclass
class ScriptedSettler:
    """Says the next of its answers to each call, the last one for ever, and notes what it was asked."""

    answers: list[Settlement | Exception]
    given_up: GiveUp | Exception = field(default_factory=lambda: GivenUp(entry=FAILED))
    asked: list[dict[str, Any]] = field(default_factory=list)
    asked_to_give_up: list[dict[str, Any]] = field(default_factory=list)

    async def settle(self, order: Order, **asked: Any) -> Settlement:  # noqa: ANN401 - noted as it comes
        self.asked.append({"order": order, **asked})
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def give_up(self, order: Order, **asked: Any) -> GiveUp:  # noqa: ANN401 - as above
        self.asked_to_give_up.append({"order": order, **asked})
        await asyncio.sleep(0)
        if isinstance(self.given_up, Exception):
            raise self.given_up
        return self.given_up


class Court:
    """A record_settler whose clock moves only while it pauses."""

    def __init__(
        self, *answers: Settlement | Exception, dead_letters: FakeDeadLetters | None = None, jitter: float = 0.625
    ) -> None:
        self.seconds = NOON
        self.pauses: list[float] = []
        self.known = Known()
        self.settler = ScriptedSettler(list(answers))
        self.record_settler = RecordSettler(
            settler=self.settler,
            dead_letters=dead_letters,
            max_receives=MAX_RECEIVES,
            payment_timeout=timedelta(seconds=PAYMENT_SECONDS),
            clock=lambda: self.seconds,
            now=lambda: START + timedelta(seconds=self.seconds - NOON),
            sleep=self.pause,
            jitter=lambda: jitter,
        )

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)

    async def hear(self, record: Record, *, left: float = 60.0) -> RecordOutcome:
        return await self.record_settler.settle(record, NOON + left, self.known)


def queued(*, receive_count: int = 1, **attributes: str) -> QueueRecord:
    given = {name: {"dataType": "String", "stringValue": value} for name, value in attributes.items()}
    body = encode(OrderPlaced.of(ORDER, traceparent=TRACEPARENT, reservation=RESERVATION))
    record = {"body": body, "messageAttributes": given}
    return QueueRecord(message_id="m1", receive_count=receive_count, record=record)


LAST = queued(receive_count=MAX_RECEIVES)
POISON = QueueRecord(message_id="m1", receive_count=1, record={"body": "not an order"})
TOPIC = notification(encode(OrderPlaced.of(ORDER)))


async def test_the_settler_gets_the_order_its_trace_its_reservation_and_whether_it_was_redriven() -> None:
    court = Court(Settled(entry=COMPLETED, attempt=2))
    outcome = await court.hear(queued())
    assert outcome == RecordOutcome(done=True, outcome="completed", order_id=ORDER.order_id, attempt=2)
    await court.hear(queued(dead_letter_reason="exhausted"))
    expected = {"order": ORDER, "traceparent": TRACEPARENT, "reservation": RESERVATION}
    assert court.settler.asked == [expected | {"redriven": False}, expected | {"redriven": True}]
    assert court.known == Known(order_id=ORDER.order_id, trace_id=TRACE_ID)


async def test_a_record_without_a_trace_has_none_in_the_log() -> None:
    court = Court(Settled(entry=COMPLETED, attempt=1))
    await court.hear(TOPIC)
    assert court.known == Known(order_id=ORDER.order_id, trace_id=None)


@pytest.mark.parametrize("error", [DOWN, THROTTLED])
@pytest.mark.parametrize(("missing", "attempts"), [(0.0, 2), (0.001, 1)])
async def test_a_failure_is_tried_again_if_a_whole_payment_fits_in_after_the_pause(
    error: Exception, missing: float, attempts: int
) -> None:
    court = Court(error, Settled(entry=COMPLETED, attempt=2))
    outcome = await court.hear(queued(), left=0.125 + PAYMENT_SECONDS - missing)
    assert len(court.settler.asked) == attempts
    assert court.pauses == [0.125] * (attempts - 1)
    assert outcome.done is (attempts == 2)
    assert outcome.error is (None if outcome.done else error)


async def test_the_time_that_pauses_take_is_gone() -> None:
    court = Court(DOWN)
    outcome = await court.hear(queued(), left=0.125 + 0.25 + 0.5 + PAYMENT_SECONDS)
    assert court.pauses == [0.125, 0.25, 0.5]
    assert (outcome.done, outcome.outcome, outcome.error) == (False, "server_error", DOWN)


async def test_what_cannot_be_retried_is_asked_once() -> None:
    court = Court(REFUSED, dead_letters=FakeDeadLetters())
    await court.hear(queued())
    assert (len(court.settler.asked), court.pauses) == (1, [])


@pytest.mark.parametrize(("lease_left", "pause"), [(7.0, 7.0), (0.0, 0.0), (-3.0, 0.0)])
@pytest.mark.parametrize(("missing", "attempts"), [(0.0, 2), (0.001, 1)])
async def test_a_held_order_is_tried_again_at_the_end_of_its_lease_if_a_payment_fits_in_after_it(
    lease_left: float, pause: float, missing: float, attempts: int
) -> None:
    court = Court(Busy(lease_until=START + timedelta(seconds=lease_left)), Settled(entry=COMPLETED, attempt=2))
    outcome = await court.hear(queued(), left=pause + PAYMENT_SECONDS - missing)
    assert court.pauses == [pause] * (attempts - 1)
    assert len(court.settler.asked) == attempts
    assert (outcome.done, outcome.outcome) == ((True, "completed") if attempts == 2 else (False, "busy"))


async def test_an_order_that_is_still_held_says_how_long() -> None:
    court = Court(Busy(lease_until=START + timedelta(seconds=7)))
    outcome = await court.hear(queued(), left=PAYMENT_SECONDS)
    assert outcome.order_id == ORDER.order_id
    assert str(outcome.error) == "the order is busy; free in 0:00:07"


@pytest.mark.parametrize(
    ("record", "left", "tried"), [(queued(), 20.0, None), (LAST, 20.0, 18.0), (LAST, 4.0, 2.0), (LAST, 3.0, 1.5)]
)
async def test_on_the_last_receive_two_seconds_are_kept_for_the_dead_letter_or_half_of_what_is_left(
    monkeypatch: pytest.MonkeyPatch, record: QueueRecord, left: float, tried: float | None
) -> None:
    limits: list[float | None] = []
    limited = asyncio.timeout

    def noting(seconds: float | None) -> asyncio.Timeout:
        limits.append(seconds)
        return limited(seconds)

    monkeypatch.setattr(asyncio, "timeout", noting)
    await Court(Settled(entry=COMPLETED, attempt=1), dead_letters=FakeDeadLetters()).hear(record, left=left)
    assert limits == [tried]


async def test_a_last_receive_that_runs_out_of_time_is_given_up_and_says_so() -> None:
    class Hanging(ScriptedSettler):
        async def settle(self, order: Order, **asked: Any) -> Settlement:  # noqa: ANN401 - as above
            await asyncio.Event().wait()
            return await super().settle(order, **asked)

    dead_letters = FakeDeadLetters()
    court = Court(DOWN, dead_letters=dead_letters)
    court.record_settler.settler = Hanging([DOWN])
    outcome = await court.hear(LAST, left=0.02)
    assert (outcome.done, outcome.outcome, outcome.order_id) == (True, "failed", ORDER.order_id)
    assert dead_letters.details == [f"delivered {MAX_RECEIVES} times, last failure: out_of_time"]
    assert isinstance(outcome.error, GatewayUnavailableError)
    assert outcome.error is court.known.error
    assert str(outcome.error) == "the invocation's time was up"


@pytest.mark.parametrize("redriven", [True, False])
@pytest.mark.parametrize(("error", "reason", "uncharged"), [(REFUSED, "key_reused", True), (DOWN, "exhausted", False)])
async def test_an_order_is_given_up_for_the_reason_and_with_the_certainty_of_its_end(
    error: Exception, reason: str, *, uncharged: bool, redriven: bool
) -> None:
    dead_letters = FakeDeadLetters()
    court = Court(error, dead_letters=dead_letters)
    mark = {"dead_letter_reason": "exhausted"} if redriven else {}
    outcome = await court.hear(queued(receive_count=MAX_RECEIVES, **mark), left=PAYMENT_SECONDS)
    assert court.settler.asked_to_give_up == [
        {
            "order": ORDER,
            "reason": reason,
            "reservation": RESERVATION,
            "redriven": redriven,
            "uncharged": uncharged,
        }
    ]
    assert outcome == RecordOutcome(done=True, outcome="failed", order_id=ORDER.order_id, error=error)
    assert dead_letters.kept == [(LAST.body, reason)]


@pytest.mark.parametrize("trouble", [THROTTLED, RuntimeError("a bug")])
async def test_an_order_that_cannot_be_given_up_comes_back_until_its_last_receive(trouble: Exception) -> None:
    for record, done, outcome in ((queued(), False, "crashed"), (LAST, True, "unresolved")):
        dead_letters = FakeDeadLetters()
        court = Court(REFUSED, dead_letters=dead_letters)
        court.settler.given_up = trouble
        ended = await court.hear(record)
        if trouble is THROTTLED and not done:
            outcome = "throttled"  # noqa: PLW2901 - the ledger's own reason, a crash has none
        assert (ended.done, ended.outcome, ended.error) == (done, outcome, REFUSED)
        assert len(dead_letters.kept) == done


async def test_without_a_dead_letter_queue_nothing_is_given_up_and_the_message_comes_back() -> None:
    for record, error, outcome in ((LAST, DOWN, "exhausted"), (queued(), REFUSED, "key_reused")):
        court = Court(error)
        ended = await court.hear(record, left=PAYMENT_SECONDS)
        assert ended == RecordOutcome(done=False, outcome=outcome, order_id=ORDER.order_id, error=error)
        assert court.settler.asked_to_give_up == []


async def test_without_a_dead_letter_queue_an_order_that_is_held_at_its_last_receive_comes_back() -> None:
    outcome = await Court(Busy(lease_until=START + timedelta(seconds=7))).hear(LAST, left=PAYMENT_SECONDS)
    assert (outcome.done, outcome.outcome) == (False, "exhausted")
    assert str(outcome.error) == "the order is exhausted; free in 0:00:00"


async def test_an_order_that_another_attempt_took_before_it_was_given_up_comes_back() -> None:
    court = Court(REFUSED, dead_letters=FakeDeadLetters())
    court.settler.given_up = Busy(lease_until=START + timedelta(seconds=7))
    outcome = await court.hear(queued())
    assert outcome == RecordOutcome(done=False, outcome="busy", order_id=ORDER.order_id, error=REFUSED)


async def test_without_a_dead_letter_queue_poison_and_what_was_failed_before_come_back() -> None:
    outcome = await Court(DOWN).hear(POISON)
    assert (outcome.done, outcome.outcome, outcome.order_id) == (False, "poison", None)
    assert isinstance(outcome.error, MalformedMessageError)
    outcome = await Court(Duplicate(entry=FAILED)).hear(queued(receive_count=2))
    assert (outcome.done, outcome.outcome, outcome.order_id) == (False, "duplicate", ORDER.order_id)
    assert str(outcome.error) == "exhausted: the order is failed, its first dead letter may be lost"


@pytest.mark.parametrize("dead_letters", [FakeDeadLetters, lambda: None])
async def test_an_order_of_the_topic_is_given_up_and_left_to_the_failure_destination(
    dead_letters: Callable[[], FakeDeadLetters | None],
) -> None:
    court = Court(REFUSED, dead_letters=dead_letters())
    outcome = await court.hear(TOPIC)
    assert outcome == RecordOutcome(done=False, outcome="failed", order_id=ORDER.order_id, error=REFUSED)
    assert len(court.settler.asked_to_give_up) == 1
    assert court.record_settler.dead_letters is None or court.record_settler.dead_letters == FakeDeadLetters()


async def test_poison_is_kept_with_its_error() -> None:
    dead_letters = FakeDeadLetters()
    court = Court(DOWN, dead_letters=dead_letters)
    outcome = await court.hear(POISON)
    assert (outcome.done, outcome.outcome, outcome.order_id, outcome.error) == (True, "poison", None, court.known.error)
    assert isinstance(outcome.error, MalformedMessageError)
    assert dead_letters.details == [str(outcome.error)]


async def test_what_was_failed_before_is_kept_and_says_why() -> None:
    dead_letters = FakeDeadLetters()
    outcome = await Court(Duplicate(entry=FAILED), dead_letters=dead_letters).hear(queued(receive_count=2))
    assert (outcome.done, outcome.outcome, outcome.order_id) == (True, "duplicate", ORDER.order_id)
    assert str(outcome.error) == "exhausted: the order is failed, its first dead letter may be lost"
    assert len(dead_letters.kept) == 1


async def test_a_dead_letter_that_is_not_kept_is_no_verdict() -> None:
    class Full(FakeDeadLetters):
        async def send(self, record: QueueRecord, *, reason: str, detail: str) -> None:
            raise OSError(f"no room for {record.message_id}: {reason}, {detail}")

    with pytest.raises(OSError, match="no room for m1: malformed"):
        await Court(DOWN, dead_letters=Full()).hear(POISON)


async def test_in_production_a_settler_waits_in_real_time_and_draws_its_jitter() -> None:
    timeout = timedelta(seconds=1)
    settler = ScriptedSettler([DOWN, DOWN, Settled(entry=COMPLETED, attempt=3)])
    record_settler = RecordSettler(
        settler=settler, dead_letters=None, max_receives=MAX_RECEIVES, payment_timeout=timeout
    )
    draws = {record_settler.jitter() for _ in range(100)}
    assert len(draws) > 90
    assert all(0 <= draw < 1 for draw in draws)
    record_settler.jitter = lambda: 0.1
    began = time.monotonic()
    outcome = await record_settler.settle(message(ORDER), began + 10, Known())
    assert outcome.outcome == "completed"
    assert time.monotonic() - began >= 0.06  # 0.02 and 0.04
