"""Whoever is refused is told when to come back: as is known, and not all at once."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashpay import GatewayUnavailableError
from flashpay.testing import MemoryLedger, Reply
from order_api.order_book import OrderBook, OrderBookError
from order_api.rejections import turned_away
from order_api.retry_after import Outage, RetryAfter, Turns
from order_api.testing import Answer, RunningApi, running_shop, wait_until

KEY = {"Idempotency-Key": "basket-1"}


def retry_after(answer: Answer) -> int:
    return int(answer.headers["Retry-After"])


@given(st.floats(-10, 10**6), st.floats(0, 1, exclude_max=True))
def test_the_answer_is_in_whole_seconds_within_bounds(seconds: float, jitter: float) -> None:
    spread = RetryAfter(jitter=lambda: jitter).spread(timedelta(seconds=seconds)).total_seconds()
    assert spread == int(spread)
    assert 1 <= spread <= 60
    assert spread >= min(seconds, 40)


@pytest.mark.parametrize(
    ("estimate", "choices"), [(0, (1, 3)), (1, (1, 3)), (2.1, (3, 5)), (20, (20, 30)), (999, (40, 60))]
)
def test_those_refused_together_are_spread(estimate: float, choices: tuple[int, int]) -> None:
    numbers = iter(range(1000))
    spreading = RetryAfter(jitter=lambda: next(numbers) / 1000)
    told = {spreading.spread(timedelta(seconds=estimate)).total_seconds() for _ in range(1000)}
    assert told == set(range(choices[0], choices[1] + 1))


@pytest.mark.parametrize(("seconds", "told"), [(0, "1"), (0.2, "1"), (1, "1"), (1.2, "2"), (60, "60")])
def test_a_refusal_names_whole_seconds_and_no_less_than_one(seconds: float, told: str) -> None:
    refusal = turned_away(None, "late", "Not now", retry_after=timedelta(seconds=seconds))
    assert refusal.response().headers["Retry-After"] == told


def test_an_outage_lasts_from_its_first_failure_to_a_success() -> None:
    now = 100.0
    outage = Outage(clock=lambda: now)
    assert outage.lasting == timedelta(0)
    outage.failed()
    now = 107.0
    outage.failed()
    assert outage.lasting == timedelta(seconds=7)
    outage.ended()
    assert outage.lasting == timedelta(0)


def test_turns_come_one_after_the_other_at_the_pace_of_the_work() -> None:
    turns = Turns()
    told = [turns.next(now=1000, ahead=4, seconds_each=0.5).total_seconds() for _ in range(3)]
    assert told == [2.5, 3.0, 3.5]
    assert turns.next(now=1003, ahead=0, seconds_each=0.5) == timedelta(seconds=1)
    # Turns that have passed count no more.
    assert turns.next(now=2000, ahead=0, seconds_each=0.5) == timedelta(seconds=0.5)
    for _ in range(1000):
        turns.next(now=2000, ahead=0, seconds_each=0.5)
    assert turns.next(now=2000, ahead=0, seconds_each=0.5) == timedelta(seconds=60)


async def test_the_book_tells_how_long_the_ledger_is_out() -> None:
    ledger = MemoryLedger()
    book = OrderBook(ledger=ledger, timeout=timedelta(seconds=5))
    ledger.unavailable = True
    with pytest.raises(OrderBookError):
        await book.get("ord_x")
    await asyncio.sleep(0.02)
    assert timedelta(milliseconds=19) <= book.outage < timedelta(seconds=5)
    ledger.unavailable = False
    assert await book.get("ord_x") is None
    assert book.outage == timedelta(0)


async def test_customers_without_a_place_come_back_one_after_the_other() -> None:
    # One place, and a payment that has taken half a second so far: two turns a second at best.
    async with running_shop(SYNC_LIMIT="1", SYNC_WAIT_SECONDS="0") as shop:
        shop.gateway.hold()
        first = asyncio.create_task(shop.order("sync"))
        await wait_until(lambda: shop.gateway.in_flight == 1)
        await asyncio.sleep(0.5)
        told = [retry_after(await shop.order("sync", customer_id=number)) for number in range(2, 42)]
        shop.gateway.let_go()
        await first
    assert max(told[:3]) <= 10
    assert min(told[-3:]) >= 15
    assert max(told) <= 60
    assert len(set(told)) >= 10


async def test_the_pace_of_payments_that_ended_counts() -> None:
    # Payments of two seconds: those that are held meanwhile must not have taken longer, however slow the machine.
    async with running_shop(SYNC_LIMIT="10", SYNC_WAIT_SECONDS="0") as shop:
        shop.gateway.latency = timedelta(seconds=2)
        await asyncio.gather(*(shop.order("sync", customer_id=number) for number in range(1, 11)))
        shop.gateway.hold()
        held = [asyncio.create_task(shop.order("sync", customer_id=number)) for number in range(11, 21)]
        await wait_until(lambda: shop.gateway.in_flight == 10)
        told = [retry_after(await shop.order("sync", customer_id=number)) for number in range(21, 51)]
        shop.gateway.let_go()
        await asyncio.gather(*held)
    # Five turns a second: the thirtieth comes after six seconds.
    assert 6 <= max(told) <= 12


async def test_those_who_wait_come_first() -> None:
    async with running_shop(SYNC_LIMIT="1", SYNC_WAIT_SECONDS="0.6") as shop:
        shop.gateway.hold()
        first = asyncio.create_task(shop.order("sync"))
        await wait_until(lambda: shop.gateway.in_flight == 1)
        told = asyncio.create_task(shop.order("sync", customer_id=2))
        await asyncio.sleep(0.3)
        line = [asyncio.create_task(shop.order("sync", customer_id=number)) for number in range(3, 33)]
        # Thirty wait when the payment has taken 0.6 s: their turns come before, every 0.6 s.
        assert retry_after(await told) >= 18
        shop.gateway.let_go()
        await asyncio.gather(first, *line)


async def test_a_provider_that_has_not_answered_for_long_is_asked_later() -> None:
    async with running_shop(SYNC_FALLBACK="false") as shop:
        shop.gateway.default = Reply.FAIL
        await shop.order("sync")
        await asyncio.sleep(3.1)
        assert retry_after(await shop.order("sync")) >= 4
        shop.gateway.default = Reply.APPROVE
        assert (await shop.order("sync")).status == 200
        shop.gateway.default = Reply.FAIL
        assert retry_after(await shop.order("sync")) <= 3


async def test_a_late_payment_is_asked_for_after_the_time_that_payments_take() -> None:
    async with running_shop(SYNC_FALLBACK="false", SYNC_DEADLINE_SECONDS="4.1") as shop:
        shop.gateway.hold()
        late = await shop.order("sync")
        shop.gateway.let_go()
    assert late.problem == (503, "late")
    assert retry_after(late) >= 5


async def test_the_lease_of_another_attempt_is_waited_for() -> None:
    async with running_shop(SYNC_FALLBACK="false", LEASE_SECONDS="30") as shop:
        shop.gateway.hold()
        first = asyncio.create_task(shop.order("sync", headers=KEY))
        await wait_until(lambda: shop.gateway.in_flight == 1)
        busy = await shop.order("sync", headers=KEY)
        shop.gateway.let_go()
        await first
    assert busy.problem == (409, "in-progress")
    assert 29 <= retry_after(busy) <= 45


async def test_what_the_provider_asks_for_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def overloaded(*_arguments: object, **_options: object) -> None:
        raise GatewayUnavailableError("overloaded", reason="overloaded", retry_after=timedelta(seconds=20))

    async with running_shop(SYNC_FALLBACK="false") as shop:
        monkeypatch.setattr(shop.gateway, "charge", overloaded)
        assert 20 <= retry_after(await shop.order("sync")) <= 30


async def told_while(shop: RunningApi, modes: Iterable[str], headers: dict[str, str] | None = None) -> list[int]:
    return [retry_after(await shop.order(mode, headers=headers)) for mode in modes]


async def test_the_longer_an_outage_lasts_the_later_clients_come_back(shop: RunningApi) -> None:
    shop.topic.down = True
    assert max(await told_while(shop, ["async"] * 20)) <= 4
    await asyncio.sleep(2)
    assert min(await told_while(shop, ["async"] * 20)) >= 2
    shop.topic.down = False
    assert (await shop.order("async")).status == 202
    shop.topic.down = True
    assert min(await told_while(shop, ["async"] * 20)) == 1


async def test_refusals_of_one_moment_differ(shop: RunningApi) -> None:
    shop.topic.down = shop.ledger.unavailable = True
    assert len(set(await told_while(shop, ["async"] * 40))) > 1
    assert len(set(await told_while(shop, ["async"] * 40, KEY))) > 1
