"""What is changed by others before each of our writes is given up after a while, and said so."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from flashmsg import Reservation
from flashstock.endings import Ending, Outcome, ending_key
from flashstock.errors import StockUnavailableError
from flashstock.leases import NOTHING
from flashstock.levels import product_key
from flashstock.stock import Stock
from flashstock.table import Write
from flashstock.testing import MemoryTable

RESERVATION = Reservation(id="rsv_" + 24 * "a", units={"cap": 2})


class Contended:
    """A stock in which others change an item before each of our writes to it."""

    def __init__(self) -> None:
        self.table = MemoryTable()
        self.stock = Stock(self.table)
        self.met = 0

    def change(self, key: str, change: Callable[[dict[str, Any], int], None]) -> None:
        """From now on change the item so; the change is told how many there were before."""

        async def meet(place: str, writes: Sequence[Write]) -> None:
            await asyncio.sleep(0)
            if place == "called" and any(write.id == key for write in writes):
                change(self.table.items.setdefault(key, {"id": key}), self.met)
                self.met += 1

        self.table.checkpoint = meet


@pytest.fixture
async def contended() -> Contended:
    """Ten caps, of which a reservation that was returned once had two."""
    made = Contended()
    await made.stock.counters.set_total("cap", 10)
    await made.stock.sessions.open("s1", owner="test", slots=1)
    await made.stock.leases.change("cap", "s1", NOTHING, by=2)
    await made.stock.limits.take({"cap": 2}, customer_id=1, order_id="order", limits={"cap": 3})
    await made.stock.endings.settle([Ending(reservation=RESERVATION, outcome=Outcome.RETURNED)])
    return made


def one_more(item: dict[str, Any], _met: int) -> None:
    item.update(total=item["total"] + 1, available=item["available"] + 1)


async def test_a_total_that_others_set_meanwhile_is_looked_at_ten_times(contended: Contended) -> None:
    contended.change(product_key("cap"), one_more)
    with pytest.raises(StockUnavailableError, match="too many others set the stock of cap") as caught:
        await contended.stock.counters.set_total("cap", 90)
    assert (caught.value.reason, caught.value.certain, contended.met) == ("contention", False, 10)


async def test_a_reservation_that_others_reopen_and_return_is_looked_at_five_times(contended: Contended) -> None:
    def end_otherwise(item: dict[str, Any], met: int) -> None:
        item["outcome"] = (Outcome.REOPENED, Outcome.RETURNED)[met % 2].value

    contended.change(ending_key(RESERVATION.id), end_otherwise)
    with pytest.raises(StockUnavailableError, match=f"too many others are at {RESERVATION.id}") as caught:
        await contended.stock.endings.reopen(RESERVATION, reopened=1)
    assert (caught.value.reason, caught.value.certain, contended.met) == ("contention", False, 5)


async def test_an_order_that_others_count_meanwhile_is_counted_in_five_attempts(contended: Contended) -> None:
    def count_one_more(item: dict[str, Any], met: int) -> None:
        item["order#another"] = met + 1

    contended.change("limit#cap#1", count_one_more)
    with pytest.raises(StockUnavailableError, match="too many others count another") as caught:
        await contended.stock.limits.take({"cap": 9}, customer_id=1, order_id="another", limits={"cap": 20})
    assert (caught.value.reason, caught.value.certain, contended.met) == ("contention", False, 5)


async def test_an_order_whose_reservation_moves_meanwhile_is_followed_in_five_attempts(contended: Contended) -> None:
    def reopen(item: dict[str, Any], met: int) -> None:
        item["reopened"] = met + 1

    contended.change(ending_key(RESERVATION.id), reopen)
    with pytest.raises(StockUnavailableError, match=f"too many others are at {RESERVATION.id}") as caught:
        await contended.stock.limits.follow(RESERVATION, customer_id=1, order_id="order")
    assert (caught.value.reason, caught.value.certain, contended.met) == ("contention", False, 5)
