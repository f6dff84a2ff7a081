"""A reservation ends once: sold, or returned."""

import asyncio
from typing import Final, Literal

import pytest

from flashmsg import Reservation
from flashstock.endings import Ending, Outcome, fitting_groups
from flashstock.errors import SoldOutError, StockError
from flashstock.leases import NOTHING
from flashstock.levels import StockLevel
from flashstock.observer import StockObserver
from flashstock.stock import Stock
from flashstock.table import MAX_WRITES, StockTable

SOLD: Final = Outcome.SOLD
RETURNED: Final = Outcome.RETURNED
REFUNDED: Final = Outcome.REFUNDED
Decided = Literal[Outcome.SOLD, Outcome.RETURNED, Outcome.REFUNDED]


def reservation(number: int, **units: int) -> Reservation:
    digits = "".join("abcdefghij"[int(digit)] for digit in f"{number:024}")
    return Reservation(id=f"rsv_{digits}", units=units or {"cap": 1})


def ending(number: int, outcome: Decided, reopened: int = 0, /, **units: int) -> Ending:
    return Ending(reservation=reservation(number, **units), outcome=outcome, reopened=reopened)


@pytest.fixture
async def reserved(stock: Stock) -> Stock:
    """Ten caps of which eight are reserved, and four shoes that are all reserved."""
    await stock.sessions.open("s1", owner="test", slots=1)
    for product, total, units in (("cap", 10, 8), ("shoe", 4, 4)):
        await stock.counters.set_total(product, total)
        await stock.leases.change(product, "s1", NOTHING, by=units)
    return stock


async def level(stock: Stock, product: str = "cap") -> tuple[int, int, int]:
    found = await stock.counters.get(product)
    assert isinstance(found, StockLevel)
    assert found.total == found.available + found.reserved + found.sold
    return found.available, found.reserved, found.sold


async def test_sold_units_leave_what_is_reserved(reserved: Stock) -> None:
    one = ending(1, SOLD, cap=2, shoe=1)
    assert await reserved.endings.settle([one]) == {one.reservation.id: SOLD}
    assert await level(reserved) == (2, 6, 2)
    assert await level(reserved, "shoe") == (0, 3, 1)


async def test_returned_units_are_for_sale_again(reserved: Stock) -> None:
    one = ending(1, RETURNED, cap=2, shoe=1)
    assert await reserved.endings.settle([one]) == {one.reservation.id: RETURNED}
    assert await level(reserved) == (4, 6, 0)
    assert await level(reserved, "shoe") == (1, 3, 0)


async def test_of_two_that_sell_what_was_returned_at_once_each_hears_that_it_is_sold(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED)])
    answers = await asyncio.gather(*(reserved.endings.settle([ending(1, SOLD)]) for _ in range(3)))
    assert answers == [{reservation(1).id: SOLD}] * 3
    assert await level(reserved) == (2, 7, 1)


async def test_an_ended_reservation_does_not_end_again(reserved: Stock) -> None:
    first = ending(1, SOLD)
    await reserved.endings.settle([first])
    other = ending(1, RETURNED)
    assert await reserved.endings.settle([ending(2, RETURNED)]) == {reservation(2).id: RETURNED}
    assert await reserved.endings.settle([other]) == {other.reservation.id: SOLD}
    assert await reserved.endings.settle([first]) == {first.reservation.id: SOLD}
    assert await reserved.endings.settle([ending(2, RETURNED)]) == {reservation(2).id: RETURNED}
    assert await level(reserved) == (3, 6, 1)


@pytest.mark.parametrize("before", [[], [SOLD], [RETURNED], [RETURNED, SOLD]], ids=str)
@pytest.mark.parametrize("late", [SOLD, RETURNED, REFUNDED])
async def test_a_refund_gives_the_units_back_once_and_nothing_comes_after_it(
    reserved: Stock, before: list[Decided], late: Decided
) -> None:
    for outcome in before:
        await reserved.endings.settle([ending(1, outcome, cap=2, shoe=1)])
    refund = ending(1, REFUNDED, cap=2, shoe=1)
    assert await reserved.endings.settle([refund]) == {refund.reservation.id: REFUNDED}
    assert await level(reserved) == (4, 6, 0)
    assert await level(reserved, "shoe") == (1, 3, 0)
    for again in (ending(1, late, cap=2, shoe=1), refund):
        assert await reserved.endings.settle([again]) == {refund.reservation.id: REFUNDED}
    await reserved.endings.reopen(refund.reservation, reopened=1)
    assert await level(reserved) == (4, 6, 0)


async def test_of_refunds_and_a_sale_at_once_the_refund_stands(reserved: Stock) -> None:
    outcomes: list[Decided] = [REFUNDED, SOLD, REFUNDED, SOLD]
    await asyncio.gather(*(reserved.endings.settle([ending(1, outcome)]) for outcome in outcomes))
    assert await level(reserved) == (3, 7, 0)


async def test_a_refund_of_what_was_sold_without_units_gives_none_back(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED)])
    await reserved.sessions.open("s2", owner="test", slots=1)
    await reserved.leases.change("cap", "s2", NOTHING, by=3)  # others have all caps
    await reserved.endings.settle([ending(1, SOLD)])
    assert await reserved.endings.ended([reservation(1).id]) == {reservation(1).id: Outcome.SOLD_WITHOUT_UNITS}
    await reserved.endings.settle([ending(1, REFUNDED)])
    assert await level(reserved) == (0, 10, 0)


async def test_those_that_ended_before_do_not_hold_up_the_others(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, SOLD)])
    answers = await reserved.endings.settle([ending(1, SOLD), ending(2, RETURNED), ending(3, SOLD)])
    assert list(answers.values()).count(SOLD) == 2
    assert await level(reserved) == (3, 5, 2)


async def test_the_same_reservation_twice_in_one_call_ends_once(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, SOLD), ending(1, SOLD)])
    assert await level(reserved) == (2, 7, 1)


async def test_nothing_to_end_changes_nothing(reserved: Stock) -> None:
    assert await reserved.endings.settle([]) == {}
    assert await level(reserved) == (2, 8, 0)


@pytest.mark.parametrize(("outcome", "left"), [(SOLD, (2, 7, 1)), (RETURNED, (3, 7, 0))])
async def test_at_once_a_reservation_ends_only_once(
    reserved: Stock, outcome: Literal[Outcome.SOLD, Outcome.RETURNED], left: tuple[int, int, int]
) -> None:
    answers = await asyncio.gather(*(reserved.endings.settle([ending(1, outcome)]) for _ in range(6)))
    assert answers == [{reservation(1).id: outcome}] * 6
    assert await level(reserved) == left


async def test_what_was_never_reserved_is_not_ended(reserved: Stock) -> None:
    with pytest.raises(StockError, match="fewer units are reserved"):
        await reserved.endings.settle([ending(1, SOLD, cap=9)])
    assert await level(reserved) == (2, 8, 0)
    assert await reserved.endings.ended([reservation(1).id]) == {}


async def test_many_endings_are_several_transactions(reserved: Stock) -> None:
    await reserved.counters.set_total("cap", 500)
    await reserved.sessions.open("s2", owner="test", slots=1)
    await reserved.leases.change("cap", "s2", NOTHING, by=200)
    answers = await reserved.endings.settle([ending(n, SOLD) for n in range(150)])
    assert len(answers) == 150
    assert await level(reserved) == (292, 58, 150)


def test_a_group_fits_one_transaction() -> None:
    endings = [ending(n, SOLD, **{f"p{m}": 1 for m in range(n, n + 20)}) for n in range(100)]
    groups = fitting_groups(endings)
    assert [one for group in groups for one in group] == endings
    for group in groups:
        products = {product for one in group for product in one.reservation.units}
        assert len(group) + len(products) <= MAX_WRITES


@pytest.mark.parametrize(("count", "sizes"), [(99, [99]), (100, [99, 1])])
def test_a_group_is_as_large_as_a_transaction_may_be(count: int, sizes: list[int]) -> None:
    groups = fitting_groups([ending(number, SOLD) for number in range(count)])
    assert [len(group) for group in groups] == sizes


async def test_a_returned_reservation_is_reserved_again_once(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED, cap=2)])
    for _ in range(2):
        await reserved.endings.reopen(reservation(1, cap=2), reopened=1)
        assert await level(reserved) == (2, 8, 0)
    await reserved.endings.settle([ending(1, SOLD, 1, cap=2)])
    assert await level(reserved) == (2, 6, 2)


async def test_a_sold_reservation_is_not_reserved_again(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, SOLD)])
    await reserved.endings.reopen(reservation(1), reopened=1)
    assert await reserved.endings.ended([reservation(1).id]) == {reservation(1).id: SOLD}
    assert await level(reserved) == (2, 7, 1)


async def test_a_reservation_that_never_ended_keeps_its_units_and_a_late_ending_is_none(reserved: Stock) -> None:
    await reserved.endings.reopen(reservation(1), reopened=1)
    await reserved.endings.settle([ending(1, RETURNED)])
    assert await level(reserved) == (2, 8, 0)
    await reserved.endings.settle([ending(1, SOLD, 1)])
    assert await level(reserved) == (2, 7, 1)


async def test_what_was_sold_to_somebody_else_is_not_reserved_again(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED, cap=1, shoe=1)])
    await reserved.sessions.open("s2", owner="test", slots=1)
    await reserved.leases.change("shoe", "s2", NOTHING, by=1)
    with pytest.raises(SoldOutError) as caught:
        await reserved.endings.reopen(reservation(1, cap=1, shoe=1), reopened=1)
    assert caught.value.product_id == "shoe"
    assert await level(reserved) == (3, 7, 0)
    assert await reserved.endings.ended([reservation(1).id]) == {reservation(1).id: RETURNED}


async def test_a_reopened_reservation_can_be_returned_again(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED)])
    await reserved.endings.reopen(reservation(1), reopened=1)
    assert await reserved.endings.ended([reservation(1).id]) == {reservation(1).id: Outcome.REOPENED}
    for _ in range(2):
        assert await reserved.endings.settle([ending(1, RETURNED, 1)]) == {reservation(1).id: RETURNED}
    assert await level(reserved) == (3, 7, 0)


async def test_what_is_sold_after_it_was_returned_takes_its_units_back(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED, cap=2)])
    for _ in range(2):
        answers = await reserved.endings.settle([ending(1, SOLD, cap=2), ending(2, SOLD)])
        assert answers == {reservation(1).id: SOLD, reservation(2).id: SOLD}
    assert await level(reserved) == (2, 5, 3)


class Watching(StockObserver):
    def __init__(self) -> None:
        self.without_units: list[str] = []

    def oversold(self, reservation: Reservation) -> None:
        self.without_units.append(reservation.id)


async def test_what_is_sold_after_others_have_its_units_is_told_and_changes_no_counter(
    reserved: Stock, table: StockTable
) -> None:
    await reserved.endings.settle([ending(1, RETURNED, cap=1, shoe=1)])
    await reserved.sessions.open("s2", owner="test", slots=1)
    await reserved.leases.change("shoe", "s2", NOTHING, by=1)
    watching = Watching()
    watched = Stock(table, observer=watching)
    for outcome in (SOLD, SOLD, RETURNED):
        answers = await watched.endings.settle([ending(1, outcome, cap=1, shoe=1)])
        assert answers == {reservation(1).id: Outcome.SOLD_WITHOUT_UNITS}
    assert watching.without_units == [reservation(1).id]
    assert await level(reserved) == (3, 7, 0)
    assert await level(reserved, "shoe") == (0, 4, 0)


async def test_of_two_that_sell_at_once_what_others_have_one_tells_it_and_each_hears_it(
    reserved: Stock, table: StockTable
) -> None:
    await reserved.endings.settle([ending(1, RETURNED, shoe=1)])
    await reserved.sessions.open("s2", owner="test", slots=1)
    await reserved.leases.change("shoe", "s2", NOTHING, by=1)
    watching = Watching()
    watched = Stock(table, observer=watching)
    answers = await asyncio.gather(*(watched.endings.settle([ending(1, SOLD, shoe=1)]) for _ in range(3)))
    assert answers == [{reservation(1).id: Outcome.SOLD_WITHOUT_UNITS}] * 3
    assert watching.without_units == [reservation(1).id]


async def test_an_ending_from_before_a_reopening_changes_nothing_after_it(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED)])
    await reserved.endings.reopen(reservation(1), reopened=1)
    assert await reserved.endings.settle([ending(1, RETURNED)]) == {reservation(1).id: Outcome.REOPENED}
    assert await level(reserved) == (2, 8, 0)


async def test_a_late_reopening_changes_nothing(reserved: Stock) -> None:
    await reserved.endings.settle([ending(1, RETURNED)])
    await reserved.endings.reopen(reservation(1), reopened=1)
    await reserved.endings.settle([ending(1, RETURNED, 1)])
    await reserved.endings.reopen(reservation(1), reopened=1)
    assert await level(reserved) == (3, 7, 0)


async def test_a_reservation_can_be_reopened_again_and_again(reserved: Stock) -> None:
    for count in range(3):
        await reserved.endings.settle([ending(1, RETURNED, count)])
        assert await level(reserved) == (3, 7, 0)
        await reserved.endings.reopen(reservation(1), reopened=count + 1)
        assert await level(reserved) == (2, 8, 0)
    await reserved.endings.settle([ending(1, SOLD, 3), ending(2, SOLD)])
    assert await level(reserved) == (2, 6, 2)


async def test_a_reservation_reopened_without_its_redrive_going_on_is_ended_by_a_later_one(reserved: Stock) -> None:
    await reserved.endings.reopen(reservation(1), reopened=1)
    assert await reserved.endings.settle([ending(1, RETURNED, 2)]) == {reservation(1).id: RETURNED}
    assert await level(reserved) == (3, 7, 0)
