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
    LedgerRefusedError,
    LedgerUnavailableError,
    Mismatch,
    Settlement,
    SoldOut,
    StockUnsettledError,
    Unanswered,
)
from flashpay.testing import START
from libs.flashpay.tests.breaker_stage import COOL_DOWN, DOWN, ENTRY, LONGEST_SECONDS, SETTLED, Stage, leave

IN_FLIGHT = GatewayInFlightError("409", reason="in_flight", status=409)
THROTTLED = LedgerUnavailableError("slow", reason="throttled")
DUPLICATE, BUSY = Duplicate(entry=ENTRY), Busy(lease_until=START)
REFUSED_BY_LEDGER = LedgerRefusedError("bad", reason="bad_request")
PAID_NOT_SOLD = StockUnsettledError("no stock", settled=True)
NOT_SOLD = StockUnsettledError("no stock", settled=False)


def timed(stage: Stage) -> bool:
    """Asked anew: to the type checker an attribute does not change."""
    return stage.breaker._timer is not None


async def probing(stage: Stage) -> asyncio.Task[Settlement]:
    """An order that is tried as the probe of an open breaker, and does not come to an end."""
    stage.trying["slow"] = asyncio.Event()
    probe = asyncio.create_task(stage.run("slow"))
    while "slow" not in stage.tries:  # noqa: ASYNC110 - as it comes
        await asyncio.sleep(0.005)
    return probe


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    stage.breaker.stop()


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


async def test_a_ledger_that_says_nothing_is_waited_for_five_seconds(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float | None] = []
    timeout = asyncio.timeout

    def noted(seconds: float | None) -> asyncio.Timeout:
        waited.append(seconds)
        return timeout(seconds)

    monkeypatch.setattr("flashpay.breaker.asyncio.timeout", noted)
    assert await stage.end("bad", THROTTLED) is THROTTLED
    assert waited == [LONGEST_SECONDS, 5]  # the first is the stage's own


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


async def test_who_opened_it_waits_for_the_cool_down_like_the_others() -> None:
    stage = Stage(cool_down=timedelta(hours=1))
    held = await stage.open()
    for _ in range(5):
        await asyncio.sleep(0)
    assert stage.tries == ["failed 0", "failed 1", "failed 2"]
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
    probe = await probing(stage)
    good = asyncio.create_task(stage.run("good"))
    await asyncio.sleep(COOL_DOWN.total_seconds() * 2)
    assert "good" not in stage.tries
    await leave([probe])
    assert await good == SETTLED
    await asyncio.gather(*held, return_exceptions=True)


async def test_no_turn_is_timed_while_a_probe_is_out_or_nobody_waits(stage: Stage) -> None:
    held = await stage.open()
    probe = await probing(stage)
    # The next turn is due: a timer would go off in every turn of the loop.
    assert not timed(stage)
    await leave([probe])
    assert timed(stage)
    await leave(held)
    assert not timed(stage)


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
    assert (stage.breaker.allowance(10), stage.breaker.allowance(0)) == (1, 0)
    waiting = asyncio.create_task(stage.run("fresh"))
    await asyncio.sleep(0)
    assert stage.breaker.allowance(10) == 0
    allowed = asyncio.create_task(stage.breaker.until_allowance())
    await asyncio.sleep(0)
    assert not allowed.done()
    await asyncio.gather(waiting, allowed)
    assert stage.breaker.allowance(10) == 10
    await asyncio.gather(*held, return_exceptions=True)


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


async def test_the_stop_holds_no_receive_either_while_an_order_that_was_not_tried_is_under_way(stage: Stage) -> None:
    held = await stage.open()
    probe = await probing(stage)
    allowed = asyncio.create_task(stage.breaker.until_allowance())
    await asyncio.sleep(0)
    stage.breaker.stop()
    async with asyncio.timeout(LONGEST_SECONDS):
        await allowed
    assert stage.breaker.allowance(1) == 0
    await leave([probe, *held])


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
