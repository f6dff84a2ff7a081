"""A lease is a conditional write, fenced by its sequence and by its session."""

import asyncio

import pytest

from flashstock.errors import SessionClosedError, StockUnavailableError
from flashstock.leases import NOTHING, LeaseChanged, TooFewLeft
from flashstock.levels import Lease, StockLevel
from flashstock.stock import Stock


@pytest.fixture
async def selling(stock: Stock) -> Stock:
    """Five caps, and an open session that has none of them yet."""
    await stock.counters.set_total("cap", 5)
    await stock.sessions.open("s1", owner="test", slots=2)
    return stock


async def counters(stock: Stock) -> tuple[int, int]:
    found = await stock.counters.get("cap")
    assert found is not None
    assert found.total == found.available + found.reserved + found.sold
    return found.available, found.reserved


async def lease(stock: Stock, by: int, held: Lease = NOTHING) -> Lease:
    changed = await stock.leases.change("cap", "s1", held, by=by)
    assert isinstance(changed, LeaseChanged)
    return changed.lease


async def test_a_lease_moves_units_from_available_to_reserved(selling: Stock) -> None:
    changed = await selling.leases.change("cap", "s1", NOTHING, by=3)
    assert isinstance(changed, LeaseChanged)
    assert changed.lease == Lease(units=3, sequence=1)
    assert changed.product.level == StockLevel(product_id="cap", total=5, available=2, reserved=3, sold=0)
    assert changed.product.leases == {"s1": changed.lease}


async def test_a_lease_grows_and_shrinks(selling: Stock) -> None:
    first = await lease(selling, 2)
    second = await lease(selling, 2, first)
    assert second == Lease(units=4, sequence=2)
    assert await counters(selling) == (1, 4)
    assert await lease(selling, -3, second) == Lease(units=1, sequence=3)
    assert await counters(selling) == (4, 1)


@pytest.mark.parametrize("grown_before", [True, False])
async def test_more_than_is_available_is_not_leased(selling: Stock, *, grown_before: bool) -> None:
    held = await lease(selling, 1) if grown_before else NOTHING
    answer = await selling.leases.change("cap", "s1", held, by=6)
    assert isinstance(answer, TooFewLeft)
    assert answer.product.level.available == (4 if grown_before else 5)
    assert (await counters(selling))[1] == held.units


async def test_a_change_that_was_made_already_is_found_and_not_made_again(selling: Stock) -> None:
    held = await lease(selling, 2)
    await lease(selling, 1, held)
    assert await lease(selling, 2, held) == Lease(units=3, sequence=2)
    assert await lease(selling, 0, held) == Lease(units=3, sequence=2)
    assert await lease(selling, 2, NOTHING) == Lease(units=3, sequence=2)
    assert await counters(selling) == (2, 3)


async def test_a_change_of_nothing_keeps_a_lost_request_out(selling: Stock) -> None:
    held = await lease(selling, 2)
    await lease(selling, 0, held)
    await lease(selling, 3, held)
    assert await counters(selling) == (3, 2)


async def test_a_closed_session_gets_no_first_lease(selling: Stock) -> None:
    (session,) = await selling.sessions.list()
    assert await selling.sessions.close(session)
    with pytest.raises(SessionClosedError) as caught:
        await selling.leases.change("cap", "s1", NOTHING, by=1)
    assert caught.value.certain
    await selling.sessions.remove("s1", slots=2)
    with pytest.raises(SessionClosedError) as caught:
        await selling.leases.change("cap", "s1", NOTHING, by=1)
    assert caught.value.certain
    assert await counters(selling) == (5, 0)


async def test_an_ended_lease_cannot_change_any_more(selling: Stock) -> None:
    held = await lease(selling, 3)
    assert await selling.leases.end("cap", "s1", held, idle=2)
    assert await counters(selling) == (4, 1)
    for by in (1, 0, -1, 6):
        with pytest.raises(SessionClosedError) as caught:
            await selling.leases.change("cap", "s1", held, by=by)
        assert caught.value.certain
    assert await counters(selling) == (4, 1)


async def test_a_lease_ends_once(selling: Stock) -> None:
    held = await lease(selling, 3)
    for _ in range(2):
        assert await selling.leases.end("cap", "s1", held, idle=3)
    assert await counters(selling) == (5, 0)


async def test_a_lease_that_has_changed_since_it_was_looked_at_does_not_end(selling: Stock) -> None:
    held = await lease(selling, 1)
    await lease(selling, 1, held)
    assert not await selling.leases.end("cap", "s1", held, idle=1)
    assert await counters(selling) == (3, 2)


async def test_what_is_not_limited_is_not_leased(selling: Stock) -> None:
    with pytest.raises(StockUnavailableError) as caught:
        await selling.leases.change("shoe", "s1", NOTHING, by=1)
    assert (caught.value.reason, caught.value.certain) == ("unknown_product", True)


async def test_many_sessions_lease_no_more_than_there_is(selling: Stock) -> None:
    names = [f"many {number}" for number in range(8)]
    for name in names:
        await selling.sessions.open(name, owner="test", slots=1)
    answers = await asyncio.gather(*(selling.leases.change("cap", name, NOTHING, by=1) for name in names))
    assert sum(isinstance(answer, LeaseChanged) for answer in answers) == 5
    assert await counters(selling) == (0, 5)
