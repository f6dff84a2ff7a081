"""Units on loan to a selling session, taken from what is available in one conditional write."""

from dataclasses import dataclass

from flashstock.errors import SessionClosedError, StockUnavailableError
from flashstock.levels import Lease, Product, product_key, read_product
from flashstock.sessions import session_is_open
from flashstock.table import Check, ConditionFailedError, Path, StockTable, Update, Where

NOTHING = Lease(units=0, sequence=0)
"""What a session has of a product before its first lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseChanged:
    """The change is made."""

    lease: Lease
    product: Product


@dataclass(frozen=True, slots=True, kw_only=True)
class TooFewLeft:
    """Fewer units are available; nothing is changed."""

    product: Product


class Leases:
    """Moves units between what is available and a session's lease of them.

    Leased units count as reserved, sold or not: nobody else can have them.
    """

    def __init__(self, table: StockTable) -> None:
        self._table = table

    async def change(self, product_id: str, session_id: str, held: Lease, *, by: int) -> LeaseChanged | TooFewLeft:
        """Lease more units, or give some back (`by` is negative); with 0, find out what became of a lost request.

        When an earlier request of this session turns out to have been carried out, the answer is that one's: compare
        the units.

        Raises:
            SessionClosedError: A reclaimer has taken the lease away.
        """
        try:
            if held == NOTHING:
                return await self._first(product_id, session_id, by)
            return await self._next(product_id, session_id, held, by)
        except ConditionFailedError as failed:
            item = failed.items.get(0)
            if item is None and 0 in failed.items:
                raise _unknown(product_id) from failed
            product = None if item is None else read_product(item)
            return _judged(product, session_id, held, by)

    async def read(self, product_id: str) -> Product:
        """The product's counters and leases, as last written."""
        item = (await self._table.read([product_key(product_id)])).get(product_key(product_id))
        if item is None:
            raise StockUnavailableError(f"{product_id} has no stock", reason="unknown_product", certain=True)
        return read_product(item)

    async def end(self, product_id: str, session_id: str, held: Lease, *, idle: int) -> bool:
        """End a lease of which `idle` units are left over: they are available again.

        Returns:
            Whether the lease is ended, by this call or before; False when it has changed since it was `held`.
        """
        try:
            await self._table.write(
                Update(
                    id=product_key(product_id),
                    add={("available",): idle, ("reserved",): -idle},
                    remove=[("leases", session_id)],
                    where=[Where(_lease(session_id, "sequence"), "=", held.sequence)],
                )
            )
        except ConditionFailedError as failed:
            return failed.item is None or session_id not in read_product(failed.item).leases
        return True

    async def _first(self, product_id: str, session_id: str, by: int) -> LeaseChanged | TooFewLeft:
        # Fenced by the session itself: one that is closed must not enter the product after its lease was ended.
        take = Update(
            id=product_key(product_id),
            assign={("leases", session_id): {"units": by, "sequence": 1}},
            add={("available",): -by, ("reserved",): by},
            where=[Where(("available",), ">=", by), Where(("leases", session_id), "missing")],
        )
        try:
            await self._table.transact([take, Check(id=f"session#{session_id}", where=session_is_open())])
        except ConditionFailedError as failed:
            if 1 in failed.items:
                raise SessionClosedError("the session is closed", certain=True) from failed
            raise
        return LeaseChanged(lease=Lease(units=by, sequence=1), product=await self.read(product_id))

    async def _next(self, product_id: str, session_id: str, held: Lease, by: int) -> LeaseChanged:
        changed = await self._table.write(
            Update(
                id=product_key(product_id),
                add={
                    ("available",): -by,
                    ("reserved",): by,
                    _lease(session_id, "units"): by,
                    _lease(session_id, "sequence"): 1,
                },
                where=[
                    Where(_lease(session_id, "sequence"), "=", held.sequence),
                    Where(("available",), ">=", by),
                ],
            )
        )
        product = read_product(changed)
        return LeaseChanged(lease=product.leases[session_id], product=product)


def _lease(session_id: str, attribute: str) -> Path:
    return ("leases", session_id, attribute)


def _unknown(product_id: str) -> StockUnavailableError:
    return StockUnavailableError(f"{product_id} has no stock", reason="unknown_product", certain=True)


def _judged(product: Product | None, session_id: str, held: Lease, by: int) -> LeaseChanged | TooFewLeft:
    """What a refused change means."""
    lease = None if product is None else product.leases.get(session_id)
    if product is not None and lease is not None and lease.sequence != held.sequence:
        return LeaseChanged(lease=lease, product=product)
    if product is not None and (lease is not None or held == NOTHING) and product.level.available < by:
        return TooFewLeft(product=product)
    raise SessionClosedError("the lease was taken away", certain=True)
