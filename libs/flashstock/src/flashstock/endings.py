"""How reservations end: sold, or returned and for sale again. Each ends once."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from flashmsg import Reservation
from flashstock.errors import SoldOutError, StockError
from flashstock.levels import product_key
from flashstock.table import MAX_WRITES, ConditionFailedError, Delete, Item, Put, StockTable, Update, Where, Write

_REMEMBERED = timedelta(days=30)


class Outcome(StrEnum):
    """What becomes of reserved units."""

    SOLD = "sold"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A reservation and how it is to end."""

    reservation: Reservation
    outcome: Outcome


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Endings:
    """Ends reservations, many in one transaction."""

    def __init__(self, table: StockTable, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._table = table
        self._clock = clock

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
        guard = Delete(id=ending_key(reservation.id), where=[Where(("outcome",), "=", Outcome.RETURNED.value)])
        products = sorted(reservation.units)
        takes = [_take(product, reservation.units[product]) for product in products]
        try:
            await self._table.transact([guard, *takes])
        except ConditionFailedError as failed:
            if 0 not in failed.items:
                raise SoldOutError(products[min(failed.items) - 1]) from failed

    async def ended(self, reservation_ids: Sequence[str]) -> Mapping[str, Outcome]:
        """Those of the reservations that have ended, and how."""
        items = await self._table.read([ending_key(one) for one in reservation_ids])
        return {key.removeprefix("ending#"): Outcome(str(item["outcome"])) for key, item in items.items()}

    def guard(self, ending: Ending) -> Put:
        """What lets a reservation end once."""
        item: Item = {
            "id": ending_key(ending.reservation.id),
            "outcome": ending.outcome.value,
            "expires_at": int((self._clock() + _REMEMBERED).timestamp()),
        }
        return Put(item=item, where=[Where(("id",), "missing")])

    async def _settle_group(self, group: Sequence[Ending]) -> Mapping[str, Outcome]:
        """End what fits one transaction; every round drops those that had ended before."""
        ended: dict[str, Outcome] = {}
        waiting = list(group)
        while waiting:
            try:
                await self._table.transact([*map(self.guard, waiting), *product_updates(waiting)])
            except ConditionFailedError as failed:
                before = {n: item for n, item in failed.items.items() if n < len(waiting)}
                if not before:
                    raise _never_reserved(waiting) from failed
                ended |= {waiting[n].reservation.id: _outcome(item, waiting[n]) for n, item in before.items()}
                waiting = [one for n, one in enumerate(waiting) if n not in before]
            else:
                return ended | {one.reservation.id: one.outcome for one in waiting}
        return ended


def ending_key(reservation_id: str) -> str:
    """The key of the guard of a reservation's end."""
    return f"ending#{reservation_id}"


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


def _take(product_id: str, units: int) -> Update:
    return Update(
        id=product_key(product_id),
        add={("available",): -units, ("reserved",): units},
        where=[Where(("available",), ">=", units)],
    )


def _outcome(item: Item | None, asked: Ending) -> Outcome:
    return asked.outcome if item is None else Outcome(str(item["outcome"]))


def _never_reserved(endings: Sequence[Ending]) -> StockError:
    ids = ", ".join(ending.reservation.id for ending in endings)
    return StockError(f"fewer units are reserved than these reservations hold: {ids}")
