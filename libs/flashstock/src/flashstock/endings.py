"""How reservations end: sold, or returned and for sale again. Each ends once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from flashmsg import Reservation
from flashstock.errors import SoldOutError, StockError
from flashstock.levels import product_key
from flashstock.observer import StockObserver
from flashstock.table import MAX_WRITES, ConditionFailedError, Item, Put, StockTable, Update, Where, Write


class Outcome(StrEnum):
    """What has become of reserved units.

    A returned reservation can be reopened, and then ends anew. One that is sold after all, although its units had
    been returned, takes them back if they are there; else it is sold without units, and the counters do not change.
    """

    SOLD = "sold"
    RETURNED = "returned"
    REOPENED = "reopened"
    SOLD_WITHOUT_UNITS = "sold_without_units"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A reservation and how it is to end."""

    reservation: Reservation
    outcome: Literal[Outcome.SOLD, Outcome.RETURNED]


class Endings:
    """Ends reservations, many in one transaction.

    What is remembered of each has no end: as long as an order can be found in a journal or a queue, it must be known
    that its reservation has ended.
    """

    def __init__(self, table: StockTable, *, observer: StockObserver) -> None:
        self._table = table
        self._observer = observer

    async def settle(self, endings: Sequence[Ending]) -> Mapping[str, Outcome]:
        """End the reservations that have not ended yet; asked again, it changes nothing.

        Returns:
            How each reservation, by its id, has ended: as asked, or otherwise when it had ended before.
        """
        ended: dict[str, Outcome] = {}
        for group in fitting_groups(endings):
            ended |= await self._settle_group(group)
        return ended

    async def reopen(self, reservation: Reservation) -> None:
        """Reserve the units of a returned reservation again, for an order that is redriven.

        Nothing happens to one that is open, or sold.

        Raises:
            SoldOutError: Somebody else has the units by now.
        """
        products = sorted(reservation.units)
        takes = [_take(product, reservation.units[product], "reserved") for product in products]
        guard = _guard(reservation, Outcome.REOPENED, [_was(Outcome.RETURNED)])
        try:
            await self._table.transact([guard, *takes])
        except ConditionFailedError as failed:
            if 0 not in failed.items:
                raise SoldOutError(products[min(failed.items) - 1]) from failed

    async def ended(self, reservation_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """Those of the reservations that have ended, and how."""
        items = await self._table.read([ending_key(one) for one in reservation_ids])
        return {key.removeprefix("ending#"): Outcome(str(item["outcome"])) for key, item in items.items()}

    async def _settle_group(self, group: Sequence[Ending]) -> Mapping[str, Outcome]:
        """End what fits one transaction; every round drops those that had ended before."""
        ended: dict[str, Outcome] = {}
        waiting = list(group)
        while waiting:
            try:
                await self._table.transact([*map(ending_guard, waiting), *product_updates(waiting)])
            except ConditionFailedError as failed:
                before = {n: _outcome(item) for n, item in failed.items.items() if n < len(waiting)}
                if not before:
                    raise _never_reserved(waiting) from failed
                for n, outcome in before.items():
                    ended[waiting[n].reservation.id] = await self._ended_before(waiting[n], outcome)
                waiting = [one for n, one in enumerate(waiting) if n not in before]
            else:
                return ended | {one.reservation.id: one.outcome for one in waiting}
        return ended

    async def _ended_before(self, asked: Ending, outcome: Outcome) -> Outcome:
        if asked.outcome is Outcome.SOLD and outcome is Outcome.RETURNED:
            return await self._sell_returned(asked.reservation)
        return outcome

    async def _sell_returned(self, reservation: Reservation) -> Outcome:
        """The customer has paid after all: take the units back, if nobody else has them."""
        takes = [_take(product, units, "sold") for product, units in sorted(reservation.units.items())]
        guard = _guard(reservation, Outcome.SOLD, [_was(Outcome.RETURNED)])
        try:
            await self._table.transact([guard, *takes])
        except ConditionFailedError as failed:
            if 0 in failed.items:
                return _outcome(failed.items[0])
        else:
            return Outcome.SOLD
        return await self._sell_without_units(reservation)

    async def _sell_without_units(self, reservation: Reservation) -> Outcome:
        guard = _guard(reservation, Outcome.SOLD_WITHOUT_UNITS, [_was(Outcome.RETURNED)])
        try:
            await self._table.write(guard)
        except ConditionFailedError as failed:
            return _outcome(failed.item)
        self._observer.oversold(reservation)
        return Outcome.SOLD_WITHOUT_UNITS


def ending_key(reservation_id: str) -> str:
    """The key of the guard of a reservation's end."""
    return f"ending#{reservation_id}"


def ending_guard(ending: Ending) -> Put:
    """What lets a reservation end once, and once more after it was reopened."""
    return _guard(ending.reservation, ending.outcome, [_was(Outcome.REOPENED, or_missing=True)])


def product_updates(endings: Sequence[Ending]) -> list[Write]:
    """One update for each product, whatever the number of its endings."""
    sold: Counter[str] = Counter()
    returned: Counter[str] = Counter()
    for ending in endings:
        (sold if ending.outcome is Outcome.SOLD else returned).update(ending.reservation.units)
    return [_leave(product, sold[product], returned[product]) for product in sorted(sold.keys() | returned.keys())]


def fitting_groups(endings: Sequence[Ending]) -> list[list[Ending]]:
    """The endings in groups of one transaction each; the same reservation is in a group once."""
    groups: list[list[Ending]] = []
    ids: set[str] = set()
    products: set[str] = set()
    for ending in endings:
        wider = products | ending.reservation.units.keys()
        if not groups or ending.reservation.id in ids or len(ids) + 1 + len(wider) > MAX_WRITES:
            groups.append([])
            ids, wider = set(), set(ending.reservation.units)
        groups[-1].append(ending)
        ids.add(ending.reservation.id)
        products = wider
    return groups


def _leave(product_id: str, sold: int, returned: int) -> Update:
    gone = sold + returned
    return Update(
        id=product_key(product_id),
        add={("reserved",): -gone, ("sold",): sold, ("available",): returned},
        where=[Where(("reserved",), ">=", gone)],
    )


def _take(product_id: str, units: int, into: Literal["reserved", "sold"]) -> Update:
    return Update(
        id=product_key(product_id),
        add={("available",): -units, (into,): units},
        where=[Where(("available",), ">=", units)],
    )


def _guard(reservation: Reservation, outcome: Outcome, where: Sequence[Where]) -> Put:
    return Put(item={"id": ending_key(reservation.id), "outcome": outcome.value}, where=where)


def _was(outcome: Outcome, *, or_missing: bool = False) -> Where:
    return Where(("outcome",), "=", outcome.value, or_missing=or_missing)


def _outcome(item: Item | None) -> Outcome:
    assert item is not None  # noqa: S101 - its condition holds of a missing item, or it was there before
    return Outcome(str(item["outcome"]))


def _never_reserved(endings: Sequence[Ending]) -> StockError:
    ids = ", ".join(ending.reservation.id for ending in endings)
    return StockError(f"fewer units are reserved than these reservations hold: {ids}")
