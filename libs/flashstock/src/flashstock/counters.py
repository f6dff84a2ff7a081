"""How many units of each limited product there are, for those who set and watch it."""

from flashstock.errors import StockError, StockUnavailableError
from flashstock.levels import MAX_UNITS, Product, StockLevel, product_key, read_product
from flashstock.table import ConditionFailedError, Item, Put, StockTable, Update, Where

# A table can list its items only by reading all of them, endings included: products are listed in one item.
PRODUCTS_KEY = "products"
_ROUNDS = 10


class Counters:
    """Sets and reads the counters. Selling goes on meanwhile."""

    def __init__(self, table: StockTable) -> None:
        self._table = table

    async def all(self) -> list[StockLevel]:
        """The counters of every limited product, by product id."""
        return [product.level for product in await self.products()]

    async def get(self, product_id: str) -> StockLevel | None:
        """The counters of one product; None if it is not limited."""
        item = (await self._table.read([product_key(product_id)])).get(product_key(product_id))
        return None if item is None else read_product(item).level

    async def products(self) -> list[Product]:
        """Every limited product with its leases."""
        listed = (await self._table.read([PRODUCTS_KEY])).get(PRODUCTS_KEY, {}).get("ids", frozenset())
        assert isinstance(listed, frozenset)  # noqa: S101 - written by `set_total` alone
        items = await self._table.read([product_key(one) for one in sorted(listed)])
        return sorted(map(read_product, items.values()), key=lambda product: product.level.product_id)

    async def set_total(self, product_id: str, units: int) -> StockLevel:
        """Let there be `units` in all, sold and reserved ones included; the first call makes a product limited.

        Raises:
            StockError: More are sold and reserved already, or it is no number of units. Nothing is changed.
        """
        _check(units, least=0)
        for _ in range(_ROUNDS):
            found = await self.get(product_id)
            try:
                if found is None:
                    return await self._create(product_id, units)
                return await self._grow(found, units - found.total)
            except ConditionFailedError:
                continue  # it was sold or set meanwhile: look again
        raise StockUnavailableError(f"too many others set the stock of {product_id}", reason="contention")

    async def add(self, product_id: str, units: int) -> StockLevel:
        """Let there be `units` more, in one step that is never done twice.

        Raises:
            StockError: The product is not limited, or it is no number of units. Nothing is changed, unless it says so.
            StockUnavailableError: It is not known whether they are added.
        """
        _check(units, least=1)
        grow = Update(
            id=product_key(product_id),
            add={("total",): units, ("available",): units},
            where=[Where(("total",), "<=", MAX_UNITS - units)],
        )
        try:
            # Alone in a transaction, because only a transaction is not done again when its answer was lost.
            await self._table.transact([grow])
        except ConditionFailedError as failed:
            raise _not_added(product_id, units, failed.item) from failed
        return await self._with_added(product_id, units)

    async def _with_added(self, product_id: str, units: int) -> StockLevel:
        try:
            found = await self.get(product_id)
        except StockUnavailableError as error:
            # Who took this for a failure would add them twice.
            raise StockError(f"{units} units of {product_id} are added; what there is now cannot be read") from error
        assert found is not None  # noqa: S101 - products stay
        return found

    async def set_customer_limit(self, product_id: str, limit: int | None) -> StockLevel:
        """Let one customer buy at most `limit` units from now on; None for as many as there are.

        Raises:
            StockError: The product is not limited, or it is no number of units. Nothing is changed.
        """
        if limit is not None:
            _check(limit, least=1)
        name = ("customer_limit",)
        change = Update(
            id=product_key(product_id),
            assign={} if limit is None else {name: limit},
            remove=[name] if limit is None else [],
            where=[Where(("id",), "exists")],
        )
        try:
            return read_product(await self._table.write(change)).level
        except ConditionFailedError as failed:
            raise _not_limited(product_id) from failed

    async def _create(self, product_id: str, units: int) -> StockLevel:
        item: Item = {
            "id": product_key(product_id),
            "total": units,
            "available": units,
            "reserved": 0,
            "sold": 0,
            "leases": {},
        }
        listed = Update(id=PRODUCTS_KEY, include={("ids",): frozenset({product_id})})
        await self._table.transact([Put(item=item, where=[Where(("id",), "missing")]), listed])
        return read_product(item).level

    async def _grow(self, found: StockLevel, by: int) -> StockLevel:
        if found.available + by < 0:
            raise StockError(
                f"{found.reserved + found.sold} units of {found.product_id} are reserved or sold:"
                f" its total cannot be {found.total + by}"
            )
        if by == 0:
            return found
        changed = await self._table.write(
            Update(
                id=product_key(found.product_id),
                add={("total",): by, ("available",): by},
                where=[Where(("total",), "=", found.total), Where(("available",), ">=", -by)],
            )
        )
        return read_product(changed).level


def _check(units: int, *, least: int) -> None:
    if isinstance(units, bool) or not isinstance(units, int):
        raise StockError(f"a number of units is a whole number, not {units!r}")
    if not least <= units <= MAX_UNITS:
        raise StockError(f"a number of units is between {least} and {MAX_UNITS}, not {units}")


def _not_added(product_id: str, units: int, item: Item | None) -> StockError:
    if item is None:
        return _not_limited(product_id)
    return StockError(f"{product_id} cannot have {units} units more: its total would be above {MAX_UNITS}")


def _not_limited(product_id: str) -> StockError:
    return StockError(f"{product_id} is not limited: set its total first")
