"""From a message to what becomes of it: what settler and breaker are asked, and what is made of their answers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.contextvars import clear_contextvars, get_contextvars

from flashbus.dead_letters import dead_letter_attributes
from flashbus.queue import Message
from flashmsg import Order, OrderPlaced, OrderStatus, encode
from flashpay import (
    Acknowledge,
    Busy,
    ChargeUnknown,
    CircuitBreaker,
    DeadLetter,
    Disposition,
    FlashpayError,
    GatewayRefusedError,
    GatewayUnavailableError,
    GivenUp,
    GiveUp,
    HandBack,
    HeldBackError,
    KeyReusedError,
    LedgerEntry,
    LedgerUnavailableError,
    Settled,
    Settlement,
    Settler,
    Unanswered,
)
from flashpay.testing import START, sample_order, sample_reservation
from order_processor.message_settler import MessageSettler

ORDER, RESERVATION = sample_order(), sample_reservation()
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
OPEN = LedgerEntry.claimed_first(ORDER, owner="w", lease_until=START, now=START)
COMPLETED = replace(OPEN, status=OrderStatus.COMPLETED, charge_id="ch_1")
FAILED = replace(OPEN, status=OrderStatus.FAILED, reason="exhausted")
DOWN = GatewayUnavailableError("500", reason="server_error", status=500)
GIVEN_UP = GivenUp(entry=FAILED)
REDRIVEN = dead_letter_attributes({}, reason="exhausted", detail="why", receives=5)
MAX_RECEIVES = 5


class ScriptedSettler(Settler):
    """Says what it is told to, and notes what it was asked."""

    def __init__(self, end: Settlement | Exception, given_up: GiveUp | Exception) -> None:
        self._ended, self._given_up = end, given_up
        self.asked: list[tuple[Order, dict[str, Any]]] = []
        self.asked_to_give_up: list[tuple[Order, dict[str, Any]]] = []

    async def settle(self, order: Order, **asked: Any) -> Settlement:  # noqa: ANN401 - noted as it comes
        self.asked.append((order, asked))
        if isinstance(self._ended, Exception):
            raise self._ended
        return self._ended

    async def give_up(self, order: Order, **asked: Any) -> GiveUp:  # noqa: ANN401 - as above
        self.asked_to_give_up.append((order, asked))
        if isinstance(self._given_up, Exception):
            raise self._given_up
        return self._given_up


class NotingBreaker(CircuitBreaker):
    """Lets every attempt through, and notes for whom."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def run(
        self, order_id: str, attempt: Callable[[Unanswered], Awaitable[Settlement]], *, receives_left: int
    ) -> Settlement:
        self.asked.append((order_id, receives_left))
        return await attempt(self.unanswered)

    def unanswered(self, error: GatewayUnavailableError, *, alive: bool) -> bool:  # noqa: ARG002 - the protocol's
        return alive


class Bench:
    """A message settler over a script."""

    def __init__(self, end: Settlement | Exception, given_up: GiveUp | Exception = GIVEN_UP) -> None:
        self.settler, self.breaker = ScriptedSettler(end, given_up), NotingBreaker()
        self._settler = MessageSettler(
            settler=self.settler, breaker=self.breaker, max_receives=MAX_RECEIVES, clock=lambda: START
        )

    async def settle(
        self, *, receives: int = 1, attributes: dict[str, str] | None = None, traceparent: str | None = TRACEPARENT
    ) -> Disposition:
        body = encode(OrderPlaced.of(ORDER, traceparent=traceparent, reservation=RESERVATION))
        message = Message(message_id="m", receipt="r", body=body, attributes=attributes or {}, receive_count=receives)
        return await self._settler.settle(message)


@pytest.mark.parametrize(("attributes", "redriven"), [({}, False), (REDRIVEN, True)])
async def test_the_order_is_settled_as_its_message_has_it(attributes: dict[str, str], *, redriven: bool) -> None:
    bench = Bench(Settled(entry=COMPLETED, attempt=2))
    decided = await bench.settle(receives=2, attributes=attributes)
    assert decided == Acknowledge(outcome="completed", entry=COMPLETED, attempt=2)
    ((order, asked),) = bench.settler.asked
    assert (order, asked["reservation"], asked["redriven"]) == (ORDER, RESERVATION, redriven)
    assert asked["on_unanswered"] == bench.breaker.unanswered
    assert asked["traceparent"].split("-")[1] == TRACE_ID
    assert asked["traceparent"] != TRACEPARENT, "a call of ours is a span of its own"
    assert bench.breaker.asked == [(ORDER.order_id, 3)]
    assert bench.settler.asked_to_give_up == []


async def test_poison_is_a_dead_letter_and_nobody_is_asked() -> None:
    bench = Bench(Settled(entry=COMPLETED, attempt=1))
    decided = await bench._settler.settle(Message(message_id="m", receipt="r", body="{"))
    assert isinstance(decided, DeadLetter)
    assert (decided.outcome, decided.reason) == ("poison", "malformed")
    assert (bench.settler.asked, bench.breaker.asked) == ([], [])


async def test_the_log_knows_the_order_and_its_trace() -> None:
    clear_contextvars()
    await Bench(Settled(entry=COMPLETED, attempt=1)).settle()
    assert get_contextvars() == {"order_id": ORDER.order_id, "trace_id": TRACE_ID}


@pytest.mark.parametrize(
    ("in_event", "beside", "trace"),
    [(None, {"traceparent": TRACEPARENT}, TRACE_ID), (TRACEPARENT, {"traceparent": "00-" + "1" * 32}, TRACE_ID)],
)
async def test_a_trace_is_looked_for_in_the_event_and_then_beside_it(
    in_event: str | None, beside: dict[str, str], trace: str
) -> None:
    bench = Bench(Settled(entry=COMPLETED, attempt=1))
    await bench.settle(traceparent=in_event, attributes=beside)
    assert bench.settler.asked[0][1]["traceparent"].split("-")[1] == trace


async def test_without_a_trace_one_begins() -> None:
    bench = Bench(Settled(entry=COMPLETED, attempt=1))
    await bench.settle(traceparent=None)
    assert len(bench.settler.asked[0][1]["traceparent"].split("-")[1]) == 32


async def test_who_is_held_back_is_away_for_what_was_said_and_no_longer() -> None:
    decided = await Bench(HeldBackError("later", after=timedelta(minutes=2))).settle()
    assert decided == HandBack(outcome="handed_back", at_least=timedelta(minutes=2), step=0)


@pytest.mark.parametrize(
    ("error", "outcome", "reason"), [(DOWN, "retry", "server_error"), (RuntimeError("a bug"), "crashed", "crashed")]
)
async def test_a_failure_is_tried_again(error: Exception, outcome: str, reason: str) -> None:
    bench = Bench(error)
    assert await bench.settle(receives=2) == HandBack(outcome=outcome, reason=reason, step=2)
    assert bench.settler.asked_to_give_up == []


async def test_who_holds_the_order_is_waited_for() -> None:
    decided = await Bench(Busy(lease_until=START + timedelta(seconds=20))).settle()
    assert decided == HandBack(outcome="busy", reason="busy", at_least=timedelta(seconds=20))


@pytest.mark.parametrize(
    ("error", "reason", "uncharged"),
    [
        (KeyReusedError("used before", reason="key_reused"), "key_reused", True),
        (GatewayRefusedError("bad", reason="bad_request"), "bad_request", False),
        (DOWN, "exhausted", False),
    ],
)
async def test_an_order_is_given_up_as_its_message_has_it(
    error: FlashpayError, reason: str, *, uncharged: bool
) -> None:
    bench = Bench(error)
    decided = await bench.settle(receives=MAX_RECEIVES, attributes=REDRIVEN)
    assert isinstance(decided, DeadLetter)
    assert (decided.outcome, decided.reason) == ("failed", reason)
    assert bench.settler.asked_to_give_up == [
        (ORDER, {"reason": reason, "reservation": RESERVATION, "redriven": True, "uncharged": uncharged})
    ]


@pytest.mark.parametrize(
    ("given_up", "told"),
    [
        (LedgerUnavailableError("slow", reason="throttled"), "the ledger was not told: slow"),
        (RuntimeError("a bug"), "giving it up crashed: RuntimeError('a bug')"),
        (ChargeUnknown(error=DOWN), "what became of the charge is not known: 500"),
    ],
)
async def test_an_order_that_cannot_be_given_up_is_kept_by_the_dead_letters(
    given_up: GiveUp | Exception, told: str
) -> None:
    decided = await Bench(DOWN, given_up).settle(receives=MAX_RECEIVES)
    detail = f"delivered 5 times, last failure: server_error; {told}"
    assert decided == DeadLetter(outcome="unresolved", reason="exhausted", detail=detail)


async def test_another_attempt_that_holds_the_order_to_be_given_up_is_waited_for() -> None:
    refused, busy = KeyReusedError("used", reason="key_reused"), Busy(lease_until=START + timedelta(seconds=9))
    decided = await Bench(refused, busy).settle()
    assert decided == HandBack(outcome="busy", reason="busy", at_least=timedelta(seconds=9))


async def test_a_cancelled_attempt_is_cancelled() -> None:
    class Cancelled(ScriptedSettler):
        async def settle(self, order: Order, **asked: Any) -> Settlement:  # noqa: ANN401, ARG002 - as above
            raise asyncio.CancelledError

    bench = Bench(DOWN)
    bench._settler._settler = Cancelled(DOWN, GIVEN_UP)
    with pytest.raises(asyncio.CancelledError):
        await bench.settle()
