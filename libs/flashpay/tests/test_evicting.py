"""The breaker evicts: who leaves when failing orders hold every slot, and who may take the slot."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from flashpay import (
    CircuitBreaker,
    FlashpayError,
    GatewayUnavailableError,
    HeldBackError,
    LedgerEntry,
    LedgerUnavailableError,
    Settled,
    Settlement,
    StockUnsettledError,
    Unanswered,
)
from flashpay.breaker import Held
from flashpay.eviction import AWAY
from flashpay.testing import START, sample_order

ENTRY = LedgerEntry.claimed_first(sample_order(), owner="w", lease_until=START, now=START)
SETTLED = Settled(entry=ENTRY, attempt=1)
DOWN = GatewayUnavailableError("500", reason="server_error", status=500)
THROTTLED = LedgerUnavailableError("slow", reason="throttled")
PAUSE = 0.03
Task = asyncio.Task[Settlement]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes and hours are hundredths of a second here."""
    monkeypatch.setattr("flashpay.eviction._FIRST_SECONDS", PAUSE)
    monkeypatch.setattr("flashpay.eviction._LAST_RECEIVE_SECONDS", PAUSE)
    monkeypatch.setattr("flashpay.breaker._LEDGER_PATIENCE_SECONDS", PAUSE)


class Shop:
    """A breaker of two slots and two failures, and orders that fail unless they are good."""

    def __init__(self) -> None:
        self.good: set[str] = set()
        self.hanging: set[str] = set()
        self.error: FlashpayError = DOWN
        self.alive = True
        self.tells = True
        self.ledger_hangs = False
        self.tries: list[str] = []
        self.breaker = CircuitBreaker(
            slots=2, ask_ledger=self.ask_ledger, threshold=2, cool_down=timedelta(seconds=0.01), patience=timedelta(0)
        )

    async def ask_ledger(self) -> None:
        await asyncio.sleep(60 if self.ledger_hangs else 0)

    def start(self, order_id: str, *, receives_left: int = 5) -> Task:
        async def attempt(on_unanswered: Unanswered) -> Settlement:
            self.tries.append(order_id)
            if order_id in self.good:
                return SETTLED
            if order_id in self.hanging:
                await asyncio.Event().wait()
            if self.tells and isinstance(self.error, GatewayUnavailableError):
                on_unanswered(self.error, alive=self.alive)
            raise self.error

        return asyncio.create_task(self.breaker.run(order_id, attempt, receives_left=receives_left))

    async def fill(self, *receives_left: int) -> tuple[Task, Task]:
        """Open the breaker, and have two failing orders hold its slots."""
        await asyncio.wait([self.start("first")])
        second = self.start("second", receives_left=receives_left[1])
        while self.breaker.closed:  # noqa: ASYNC110 - a few turns of the loop
            await asyncio.sleep(0)
        return self.start("first", receives_left=receives_left[0]), second

    async def after_an_eviction(self) -> Task:
        """Wait until one of two was evicted; the other."""
        leaving, staying = await self.fill(5, 4)
        await asyncio.wait([leaving])
        return staying


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    yield shop
    shop.breaker.stop()


def failure(task: Task) -> BaseException | None:
    return task.exception() if task.done() else None


async def test_who_has_the_most_receives_left_is_evicted_and_is_away_for_two_minutes(shop: Shop) -> None:
    leaving, staying = await shop.fill(5, 4)
    await asyncio.wait([leaving])
    error = failure(leaving)
    assert isinstance(error, HeldBackError)
    assert (str(error), error.after) == ("another order shall be tried", timedelta(minutes=2))
    assert not staying.done()


async def test_who_can_best_afford_it_leaves_even_if_its_turn_has_come(shop: Shop) -> None:
    leaving, staying = await shop.fill(5, 4)
    while len(shop.tries) < 4:  # noqa: ASYNC110 - each has failed again, and the first is the next
        await asyncio.sleep(0)
    time.sleep(2 * PAUSE)  # noqa: ASYNC251 - so that cool-down and pause are over at the same look
    shop.breaker._dispatch()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert isinstance(failure(leaving), HeldBackError)
    assert not staying.done()


async def test_one_receive_that_is_left_is_enough_to_come_back(shop: Shop) -> None:
    leaving, _ = await shop.fill(1, 0)
    await asyncio.wait([leaving])
    assert isinstance(failure(leaving), HeldBackError)
    again = shop.start("first", receives_left=1)
    await asyncio.wait([again])
    assert str(failure(again)) == "the slot is for an order that was not tried yet"


async def test_the_slot_is_for_an_order_that_was_not_tried_yet(shop: Shop) -> None:
    await shop.after_an_eviction()
    again = shop.start("first")
    await asyncio.wait([again])
    error = failure(again)
    assert isinstance(error, HeldBackError)
    assert (str(error), error.after) == ("the slot is for an order that was not tried yet", AWAY)
    shop.good.add("fresh")
    assert await shop.start("fresh") == SETTLED
    assert shop.breaker.closed
    # The next outage begins anew.
    assert shop.breaker._eviction._evictions == 0
    assert "first" not in shop.breaker._tried_at


async def test_who_has_left_is_not_counted_among_those_that_were_not_tried(shop: Shop) -> None:
    shop.good.add("good")
    await shop.start("good")
    await shop.fill(5, 5)
    assert shop.breaker.allowance(10) == 1


async def test_an_order_whose_stock_does_not_answer_has_been_tried(shop: Shop) -> None:
    await shop.fill(5, 5)
    shop.error = StockUnsettledError("no stock", settled=False)
    await asyncio.wait([shop.start("unsettled")])
    shop.start("unsettled")
    await asyncio.sleep(0)
    assert shop.breaker.allowance(10) == 1


async def test_once_it_is_taken_nobody_is_turned_away(shop: Shop) -> None:
    await shop.after_an_eviction()
    fresh, again = shop.start("fresh"), shop.start("first")
    await asyncio.sleep(0)
    assert not fresh.done()
    assert not again.done()


async def test_an_order_that_failed_without_a_word_before_is_evicted_like_the_others(shop: Shop) -> None:
    staying = await shop.after_an_eviction()
    shop.tells = False
    held = [staying, shop.start("third")]
    async with asyncio.timeout(2):
        done, _ = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
    assert [type(failure(task)) for task in done] == [HeldBackError]


async def test_nobody_is_turned_away_on_the_last_receive(shop: Shop) -> None:
    await shop.after_an_eviction()
    last = shop.start("first", receives_left=0)
    await asyncio.sleep(0)
    assert not last.done()


async def test_nobody_is_evicted_while_an_order_that_has_not_failed_holds_a_slot(shop: Shop) -> None:
    shop.hanging.add("fresh")
    failed, other = await shop.fill(5, 5)
    failed.cancel()
    fresh = shop.start("fresh")
    await asyncio.sleep(5 * PAUSE)
    assert "fresh" in shop.tries
    assert not other.done()
    fresh.cancel()


async def test_on_their_last_receive_they_leave_with_their_own_failure(shop: Shop) -> None:
    held = await shop.fill(0, 0)
    done, _ = await asyncio.wait(held, return_when=asyncio.FIRST_COMPLETED)
    assert [failure(task) for task in done] == [DOWN]


async def test_nobody_is_evicted_where_the_gateway_answers_nothing(shop: Shop) -> None:
    shop.alive = False
    held = await shop.fill(5, 5)
    await asyncio.sleep(5 * PAUSE)
    assert len(shop.tries) > 3
    assert not any(task.done() for task in held)


async def test_nobody_is_evicted_where_the_ledger_answers_nothing(shop: Shop) -> None:
    shop.error, shop.ledger_hangs = THROTTLED, True
    held = await shop.fill(5, 5)
    while len(shop.tries) < 5:  # noqa: ASYNC110 - as they come: each waits for the ledger first
        await asyncio.sleep(PAUSE)
    assert not any(task.done() for task in held)


async def test_a_probe_that_is_cancelled_before_it_began_leaves_its_turn_to_the_next(shop: Shop) -> None:
    probe, other = await shop.fill(5, 5)
    await asyncio.sleep(0)
    time.sleep(0.02)  # noqa: ASYNC251 - the cool-down is over, and the loop does not know it yet
    shop.breaker._dispatch()
    probe.cancel()
    shop.good.add("second")
    async with asyncio.timeout(1):
        assert await other == SETTLED


async def test_only_so_many_tried_orders_are_remembered_and_the_latest_are(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flashpay.breaker._REMEMBERED", 2)
    await shop.fill(5, 5)
    shop.start("third")
    while "third" not in shop.tries:  # noqa: ASYNC110 - as it comes
        await asyncio.sleep(0.005)
    assert len(shop.breaker._tried_at) == 2
    assert "third" in shop.breaker._tried_at


async def test_an_order_that_was_tried_again_is_among_the_latest(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashpay.breaker._REMEMBERED", 2)
    for order_id in ("first", "second", "first", "third"):
        shop.breaker._tried(Held(order_id=order_id, receives_left=1), DOWN)
    assert list(shop.breaker._tried_at) == ["first", "third"]


async def test_who_is_held_back_by_the_stop_is_told_so(shop: Shop) -> None:
    held = await shop.fill(5, 5)
    await asyncio.sleep(0)
    shop.breaker.stop()
    for _ in range(3):
        await asyncio.sleep(0)  # no cool-down is waited for
    assert [str(failure(task)) for task in held] == ["the process stops"] * 2


async def test_nothing_is_looked_at_again_after_the_stop(shop: Shop) -> None:
    await shop.fill(5, 5)
    while shop.breaker._eviction.due is None:  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
    timer = shop.breaker._timer
    shop.breaker.stop()
    assert timer is not None
    assert timer.cancelled()
    assert shop.breaker._timer is None  # an eviction that is overdue would be looked at in every turn of the loop


def test_the_defaults_are_those_of_the_services() -> None:
    defaults = inspect.signature(CircuitBreaker).parameters
    assert [defaults[name].default for name in ("threshold", "cool_down", "patience")] == [
        5,
        timedelta(seconds=5),
        timedelta(minutes=5),
    ]
