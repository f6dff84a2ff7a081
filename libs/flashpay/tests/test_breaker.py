"""The breaker around attempts: opens when everything fails, lets one find out, closes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flashpay import (
    Busy,
    CircuitBreaker,
    ConflictingChargeError,
    Duplicate,
    FlashpayError,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    HeldBackError,
    LedgerEntry,
    LedgerRefusedError,
    LedgerUnavailableError,
    Mismatch,
    Settled,
    Settlement,
    SoldOut,
    StockUnsettledError,
    Unanswered,
)
from flashpay.testing import START, sample_order

COOL_DOWN = timedelta(milliseconds=30)
ENTRY = LedgerEntry.claimed_first(sample_order(), owner="w", lease_until=START, now=START)
SETTLED = Settled(entry=ENTRY, attempt=1)
DOWN = GatewayUnavailableError("500", reason="server_error", status=500)
IN_FLIGHT = GatewayInFlightError("409", reason="in_flight", status=409)
THROTTLED = LedgerUnavailableError("slow", reason="throttled")
DUPLICATE, BUSY = Duplicate(entry=ENTRY), Busy(lease_until=START)
REFUSED_BY_LEDGER = LedgerRefusedError("bad", reason="bad_request")
PAID_NOT_SOLD = StockUnsettledError("no stock", settled=True)
NOT_SOLD = StockUnsettledError("no stock", settled=False)


class Stage:
    """A breaker, and what each attempt shall end like."""

    def __init__(self, *, slots: int = 10, threshold: int = 3) -> None:
        self.ledger_down = False
        self.alive = True
        self.ends: dict[str, Settlement | Exception] = {}
        self.tries: list[str] = []
        self.trying: dict[str, asyncio.Event] = {}
        self.opened: list[FlashpayError] = []
        self.closed: list[timedelta] = []
        self.breaker = CircuitBreaker(
            slots=slots,
            ask_ledger=self.ask_ledger,
            threshold=threshold,
            cool_down=COOL_DOWN,
            on_open=self.opened.append,
            on_close=self.closed.append,
        )

    async def ask_ledger(self) -> None:
        await asyncio.sleep(0)
        if self.ledger_down:
            raise LedgerUnavailableError("down", reason="connection")

    async def run(self, order_id: str, *, receives_left: int = 5) -> Settlement:
        async def attempt(on_unanswered: Unanswered) -> Settlement:
            self.tries.append(order_id)
            if order_id in self.trying:
                await self.trying[order_id].wait()
            end = self.ends.get(order_id, SETTLED)
            if isinstance(end, GatewayUnavailableError) and not isinstance(end, GatewayInFlightError):
                on_unanswered(end, alive=self.alive)
            if isinstance(end, Exception):
                raise end
            return end

        return await self.breaker.run(order_id, attempt, receives_left=receives_left)

    async def end(self, order_id: str, end: Settlement | Exception = SETTLED) -> Settlement | BaseException:
        self.ends[order_id] = end
        return (await asyncio.gather(self.run(order_id), return_exceptions=True))[0]

    async def open(self, error: FlashpayError = DOWN) -> list[asyncio.Task[Settlement]]:
        """Fail three orders; the last of them, which opens the breaker, waits in its slot."""
        for number in range(3):
            self.ends[f"failed {number}"] = error
        assert await self.end("failed 0", error) is error
        assert await self.end("failed 1", error) is error
        assert self.breaker.allowance(9) == 9
        held = asyncio.create_task(self.run("failed 2"))
        while self.breaker.closed:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        return [held]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.breaker.stop()


async def leave(tasks: list[asyncio.Task[Settlement]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_closed_breaker_lets_everything_through(stage: Stage) -> None:
    assert await stage.end("a") == SETTLED
    assert (stage.breaker.closed, stage.breaker.allowance(20)) == (True, 20)


@pytest.mark.parametrize("error", [DOWN, THROTTLED])
async def test_different_orders_failing_in_a_row_open_it(stage: Stage, error: FlashpayError) -> None:
    held = await stage.open(error)
    assert (stage.breaker.closed, stage.opened) == (False, [error])
    await leave(held)


@pytest.mark.parametrize("error", [DOWN, THROTTLED])
async def test_one_order_failing_for_ever_does_not(stage: Stage, error: FlashpayError) -> None:
    for _ in range(50):
        assert await stage.end("bad", error) is error
    assert stage.breaker.closed


@pytest.mark.parametrize("error", [DOWN, THROTTLED])
async def test_one_order_does_where_nothing_else_is_answered_either(stage: Stage, error: FlashpayError) -> None:
    stage.ledger_down, stage.alive = True, False
    for _ in range(2):
        assert await stage.end("bad", error) is error
    held = asyncio.create_task(stage.run("bad"))
    await asyncio.sleep(0.01)
    assert not stage.breaker.closed
    await leave([held])


@pytest.mark.parametrize(
    "between",
    [
        SETTLED,
        GatewayRefusedError("bad", reason="bad_request"),
        ConflictingChargeError("two", reason="answer_mismatch"),
        PAID_NOT_SOLD,
    ],
)
async def test_an_answer_of_the_gateway_in_between_starts_the_count_again(
    stage: Stage, between: Settlement | Exception
) -> None:
    for number in range(4):
        await stage.end(f"failed {number}", DOWN)
        await stage.end(f"answered {number}", between)
    assert stage.breaker.closed


@pytest.mark.parametrize("between", [DUPLICATE, BUSY, Mismatch(entry=ENTRY), SoldOut(entry=ENTRY), IN_FLIGHT, NOT_SOLD])
async def test_what_says_nothing_of_the_gateway_does_not(stage: Stage, between: Settlement | Exception) -> None:
    for number in range(2):
        await stage.end(f"failed {number}", DOWN)
        await stage.end(f"neutral {number}", between)
    held = asyncio.create_task(stage.run("failed 2"))
    stage.ends["failed 2"] = DOWN
    await asyncio.sleep(0.005)
    assert not stage.breaker.closed
    await leave([held])


@pytest.mark.parametrize("between", [DUPLICATE, BUSY, DOWN, IN_FLIGHT, REFUSED_BY_LEDGER, NOT_SOLD])
async def test_any_answer_of_the_ledger_is_one_of_the_ledger(stage: Stage, between: Settlement | Exception) -> None:
    for number in range(4):
        await stage.end(f"failed {number}", THROTTLED)
        await stage.end("other", between)
    assert stage.breaker.closed


async def test_a_crash_says_nothing(stage: Stage) -> None:
    for number in range(5):
        assert isinstance(await stage.end(f"crashed {number}", RuntimeError("a bug")), RuntimeError)
    assert stage.breaker.closed


@pytest.mark.parametrize("error", [PAID_NOT_SOLD, NOT_SOLD])
async def test_stock_that_does_not_answer_never_opens_it(stage: Stage, error: FlashpayError) -> None:
    for number in range(5):
        assert await stage.end(f"unsettled {number}", error) is error
    assert stage.breaker.closed


@pytest.mark.parametrize(("error", "closes"), [(PAID_NOT_SOLD, True), (NOT_SOLD, False)])
async def test_an_order_whose_stock_does_not_answer_keeps_no_slot_of_an_open_breaker(
    stage: Stage, error: FlashpayError, *, closes: bool
) -> None:
    held = await stage.open()
    assert await stage.end("unsettled", error) is error
    assert stage.breaker.closed is closes
    await leave(held)


async def test_an_order_whose_stock_does_not_answer_has_been_tried(stage: Stage) -> None:
    held = await stage.open()
    await stage.end("unsettled", NOT_SOLD)
    held.append(asyncio.create_task(stage.run("unsettled")))
    await asyncio.sleep(0)
    assert stage.breaker.allowance(10) == 1
    await leave(held)


async def test_while_open_nobody_is_handed_back_and_one_tries_at_a_time(stage: Stage) -> None:
    held = await stage.open()
    held += [asyncio.create_task(stage.run(f"failed {number}")) for number in (0, 1)]
    tries = len(stage.tries)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(stage.tries) == tries  # the cool-down is not over
    await asyncio.sleep(COOL_DOWN.total_seconds() * 4.5)
    assert 2 <= len(stage.tries) - tries <= 4
    assert not any(task.done() for task in held)
    await leave(held)


@pytest.mark.parametrize("error", [DOWN, IN_FLIGHT])
async def test_turns_are_fair_who_was_not_tried_comes_first_then_who_waits_longest(
    stage: Stage, error: FlashpayError
) -> None:
    held = await stage.open()
    held += [asyncio.create_task(stage.run(order_id)) for order_id in ("failed 0", "failed 1")]
    await asyncio.sleep(0)
    stage.ends["fresh"] = error
    held.append(asyncio.create_task(stage.run("fresh")))
    begun = len(stage.tries)
    while len(stage.tries) < begun + 5:  # noqa: ASYNC110 - as they come
        await asyncio.sleep(0.005)
    assert stage.tries[begun : begun + 5] == ["fresh", "failed 0", "failed 1", "failed 2", "fresh"]
    await leave(held)


async def test_a_success_lets_everybody_go_on(stage: Stage) -> None:
    held = await stage.open()
    held.append(asyncio.create_task(stage.run("good")))
    await asyncio.gather(*held[1:])
    assert stage.breaker.closed
    with pytest.raises(GatewayUnavailableError):
        await held[0]  # its own trouble, now that another succeeded
    assert len(stage.closed) == 1
    assert COOL_DOWN <= stage.closed[0] < timedelta(seconds=60)


async def test_who_was_tried_in_one_outage_is_new_to_the_next(stage: Stage) -> None:
    held = await stage.open()
    assert "failed 0" in stage.breaker._tried_at
    await stage.run("good")
    await asyncio.gather(*held, return_exceptions=True)
    assert stage.breaker.closed
    assert "failed 0" not in stage.breaker._tried_at


async def test_a_key_in_flight_closes_nothing(stage: Stage) -> None:
    held = await stage.open()
    stage.ends["failed 2"] = IN_FLIGHT
    await asyncio.sleep(COOL_DOWN.total_seconds() * 2)
    assert not stage.breaker.closed
    assert not held[0].done()
    await leave(held)


async def test_a_probe_that_is_in_flight_leaves_the_next_turn_to_another(stage: Stage) -> None:
    held = await stage.open()
    stage.ends["failed 2"] = IN_FLIGHT
    probed = len(stage.tries)
    while len(stage.tries) == probed:  # noqa: ASYNC110 - as it comes
        await asyncio.sleep(0.005)
    async with asyncio.timeout(5):
        assert await stage.run("good") == SETTLED
    await asyncio.gather(*held, return_exceptions=True)


async def test_a_refusal_while_open_is_this_orders_own_and_closes_it(stage: Stage) -> None:
    held = await stage.open()
    stage.ends["failed 2"] = GatewayRefusedError("bad", reason="bad_request")
    with pytest.raises(GatewayRefusedError):
        await held[0]
    assert stage.breaker.closed


async def test_a_probe_that_is_cancelled_leaves_its_turn_to_the_next(stage: Stage) -> None:
    held = await stage.open()
    stage.trying["slow"] = asyncio.Event()
    probe = asyncio.create_task(stage.run("slow"))
    while "slow" not in stage.tries:  # noqa: ASYNC110 - as it comes
        await asyncio.sleep(0.005)
    good = asyncio.create_task(stage.run("good"))
    await asyncio.sleep(COOL_DOWN.total_seconds() * 2)
    assert "good" not in stage.tries
    await leave([probe])
    assert await good == SETTLED
    await asyncio.gather(*held, return_exceptions=True)


async def test_a_probe_that_is_known_to_fail_does_not_hold_the_next_up(stage: Stage) -> None:
    held = await stage.open()

    async def attempt(on_unanswered: Unanswered) -> Settlement:
        assert on_unanswered(DOWN, alive=True)  # the slot is kept anyway
        await asyncio.Event().wait()
        raise AssertionError

    hanging = asyncio.create_task(stage.breaker.run("hanging", attempt, receives_left=1))
    await asyncio.sleep(COOL_DOWN.total_seconds() * 1.5)
    good = asyncio.create_task(stage.run("good"))
    assert await good == SETTLED
    await leave([hanging, *held])


async def test_one_message_that_was_not_tried_is_taken_at_a_time(stage: Stage) -> None:
    held = await stage.open()
    assert stage.breaker.allowance(10) == 1
    waiting = asyncio.create_task(stage.run("fresh"))
    await asyncio.sleep(0)
    assert stage.breaker.allowance(10) == 0
    allowed = asyncio.create_task(stage.breaker.until_allowance())
    await asyncio.sleep(0)
    assert not allowed.done()
    await asyncio.gather(waiting, allowed)
    assert stage.breaker.allowance(10) == 10
    await asyncio.gather(*held, return_exceptions=True)


async def test_who_has_left_is_not_counted_among_those_that_were_not_tried(stage: Stage) -> None:
    await stage.end("good")
    held = await stage.open()
    assert stage.breaker.allowance(10) == 1
    await leave(held)


async def test_the_stop_does_not_wait_for_the_cool_down(stage: Stage) -> None:
    held = await stage.open()
    stage.breaker.stop()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [type(task.exception()) for task in held if task.done()] == [HeldBackError]


async def test_the_stop_lets_everybody_who_waits_go(stage: Stage) -> None:
    held = await stage.open()
    waiting = [asyncio.create_task(stage.run(f"fresh {number}")) for number in range(2)]
    await asyncio.sleep(0)
    allowed = asyncio.create_task(stage.breaker.until_allowance())
    stage.breaker.stop()
    for task in [*held, *waiting]:
        with pytest.raises(HeldBackError) as caught:
            await task
        assert caught.value.after == timedelta(0)
    await allowed
    with pytest.raises(HeldBackError):
        await stage.run("later")


async def test_it_closes_when_what_is_left_is_single_orders(stage: Stage) -> None:
    stage.alive = False
    for _ in range(2):
        await stage.end("bad", DOWN)
    held = asyncio.create_task(stage.run("bad"))
    await asyncio.sleep(0.005)
    assert not stage.breaker.closed
    stage.alive = True  # the gateway answers again, just not this order
    with pytest.raises(GatewayUnavailableError):
        await held
    assert stage.breaker.closed


def test_a_breaker_without_a_cool_down_is_refused() -> None:
    async def answer() -> None:
        await asyncio.sleep(0)

    with pytest.raises(ValueError, match="cool_down must be positive"):
        CircuitBreaker(slots=1, ask_ledger=answer, cool_down=timedelta(0))
