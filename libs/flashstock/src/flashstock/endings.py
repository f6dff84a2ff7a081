"""How reservations end: sold, or returned and for sale again. Each ends once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from flashmsg import Reservation
from flashstock.errors import SoldOutError, StockError, StockUnavailableError
from flashstock.levels import product_key
from flashstock.observer import StockObserver
from flashstock.table import MAX_WRITES, ConditionFailedError, Item, Put, StockTable, Update, Where, Write


class Outcome(StrEnum):
    """What has become of reserved units.

    A returned reservation can be reopened, and then ends anew. One that is sold after all, although its units had
    been returned, takes them back if they are there; else it is sold without units, and the counters do not change.
    A refunded one, sold or about to be, gives its units back; nothing comes after it.
    """

    SOLD = "sold"
    RETURNED = "returned"
    REOPENED = "reopened"
    SOLD_WITHOUT_UNITS = "sold_without_units"
    REFUNDED = "refunded"


_REOPENABLE = (Outcome.RETURNED, Outcome.REOPENED)
_ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A reservation and how it is to end.

    Attributes:
        reservation: Which one.
        outcome: How.
        reopened: How often the order had been reopened when this was decided, as the ledger's entry says. An ending
            from before a later reopening is none, whenever it arrives.
    """

    reservation: Reservation
    outcome: Literal[Outcome.SOLD, Outcome.RETURNED, Outcome.REFUNDED]
    reopened: int = 0


@dataclass(frozen=True, slots=True)
class _Guard:
    """How a reservation has ended, after how many reopenings."""

    outcome: Outcome
    reopened: int


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

    async def reopen(self, reservation: Reservation, *, reopened: int) -> None:
        """Reserve the units of a returned reservation again, for an order that is redriven.

        The redrive's claim counts `reopened` up in the order's entry, and every attempt asks again before it charges.
        Nothing happens to a reservation that is sold, or that was reopened as often before.

        Raises:
            SoldOutError: Somebody else has the units by now.
        """
        for _ in range(_ROUNDS):
            found = await self._find(reservation.id)
            if found is not None and (found.reopened >= reopened or found.outcome not in _REOPENABLE):
                return
            # What was not returned before has its units still; the ending that is perhaps on its way comes too late.
            returned = found is not None and found.outcome is Outcome.RETURNED
            moves = _takes(reservation, "reserved") if returned else []
            if await self._replace(reservation, found, _Guard(Outcome.REOPENED, reopened), moves):
                return
        raise StockUnavailableError(f"too many others are at {reservation.id}", reason="contention")

    async def _find(self, reservation_id: str) -> _Guard | None:
        key = ending_key(reservation_id)
        item = (await self._table.read([key])).get(key)
        return None if item is None else _read(item)

    async def ended(self, reservation_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """Those of the reservations that have ended, and how."""
        items = await self._table.read([ending_key(one) for one in reservation_ids])
        return {key.removeprefix("ending#"): _read(item).outcome for key, item in items.items()}

    async def _settle_group(self, group: Sequence[Ending]) -> Mapping[str, Outcome]:
        """End what fits one transaction; every round drops those that had ended before."""
        ended: dict[str, Outcome] = {}
        waiting = list(group)
        while waiting:
            try:
                await self._table.transact([*map(ending_guard, waiting), *product_updates(waiting)])
            except ConditionFailedError as failed:
                before = {n: _read(item) for n, item in failed.items.items() if n < len(waiting)}
                if not before:
                    raise _never_reserved(waiting) from failed
                for n, guard in before.items():
                    ended[waiting[n].reservation.id] = await self._ended_before(waiting[n], guard)
                waiting = [one for n, one in enumerate(waiting) if n not in before]
            else:
                return ended | {one.reservation.id: one.outcome for one in waiting}
        return ended

    async def _ended_before(self, asked: Ending, guard: _Guard) -> Outcome:
        if asked.outcome is Outcome.SOLD and guard.outcome is Outcome.RETURNED:
            return await self._sell_returned(asked, guard)
        if asked.outcome is Outcome.REFUNDED and guard.outcome is not Outcome.REFUNDED:
            return await self._refund(asked, guard)
        return guard.outcome

    async def _sell_returned(self, asked: Ending, returned: _Guard) -> Outcome:
        """The customer has paid after all: take the units back, if nobody else has them."""
        sold = _Guard(Outcome.SOLD, returned.reopened)
        try:
            done = await self._replace(asked.reservation, returned, sold, _takes(asked.reservation, "sold"))
        except SoldOutError:
            return await self._sell_without_units(asked, returned)
        return Outcome.SOLD if done else await self._settle_again(asked)

    async def _sell_without_units(self, asked: Ending, returned: _Guard) -> Outcome:
        without = _Guard(Outcome.SOLD_WITHOUT_UNITS, returned.reopened)
        if not await self._replace(asked.reservation, returned, without):
            return await self._settle_again(asked)
        self._observer.oversold(asked.reservation)
        return Outcome.SOLD_WITHOUT_UNITS

    async def _refund(self, asked: Ending, ended: _Guard) -> Outcome:
        """The customer has the money back: so are the units, if the order still had them."""
        sold = asked.reservation.units if ended.outcome is Outcome.SOLD else {}
        back = [_give_back(product, sold[product]) for product in sorted(sold)]
        refunded = _Guard(Outcome.REFUNDED, ended.reopened)
        done = await self._replace(asked.reservation, ended, refunded, back)
        return Outcome.REFUNDED if done else await self._settle_again(asked)

    async def _settle_again(self, asked: Ending) -> Outcome:
        # Somebody else was quicker: what that one has made of it is final, or a reopening.
        return (await self._settle_group([asked]))[asked.reservation.id]

    async def _replace(
        self, reservation: Reservation, found: _Guard | None, guard: _Guard, moves: Sequence[Update] = ()
    ) -> bool:
        """Put a guard in the place of the one that was found, and move units; False when another was quicker."""
        unmoved = [Where(("id",), "missing")] if found is None else _is(found)
        try:
            await self._table.transact([_put(reservation, guard, unmoved), *moves])
        except ConditionFailedError as failed:
            if 0 not in failed.items:
                raise SoldOutError(sorted(reservation.units)[min(failed.items) - 1]) from failed
            return False
        return True


def ending_key(reservation_id: str) -> str:
    """The key of the guard of a reservation's end."""
    return f"ending#{reservation_id}"


def ending_guard(ending: Ending) -> Put:
    """What lets a reservation end once, and once more after each reopening."""
    still_open = [
        Where(("outcome",), "=", Outcome.REOPENED.value, or_missing=True),
        Where(("reopened",), "<=", ending.reopened, or_missing=True),
    ]
    return _put(ending.reservation, _Guard(ending.outcome, ending.reopened), still_open)


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


def _takes(reservation: Reservation, into: Literal["reserved", "sold"]) -> list[Update]:
    return [_take(product, reservation.units[product], into) for product in sorted(reservation.units)]


def _give_back(product_id: str, units: int) -> Update:
    return Update(
        id=product_key(product_id),
        add={("sold",): -units, ("available",): units},
        where=[Where(("sold",), ">=", units)],
    )


def _take(product_id: str, units: int, into: Literal["reserved", "sold"]) -> Update:
    return Update(
        id=product_key(product_id),
        add={("available",): -units, (into,): units},
        where=[Where(("available",), ">=", units)],
    )


def _put(reservation: Reservation, guard: _Guard, where: Sequence[Where]) -> Put:
    item: Item = {"id": ending_key(reservation.id), "outcome": guard.outcome.value, "reopened": guard.reopened}
    return Put(item=item, where=where)


def _is(guard: _Guard) -> list[Where]:
    return [Where(("outcome",), "=", guard.outcome.value), Where(("reopened",), "=", guard.reopened)]


def _read(item: Item | None) -> _Guard:
    assert item is not None  # noqa: S101 - no condition fails for want of a guard, and none is ever removed
    return _Guard(Outcome(str(item["outcome"])), reopened=int(str(item["reopened"])))


def _never_reserved(endings: Sequence[Ending]) -> StockError:
    ids = ", ".join(ending.reservation.id for ending in endings)
    return StockError(f"fewer units are reserved than these reservations hold: {ids}")
