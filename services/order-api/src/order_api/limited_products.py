"""The catalogue's source, together with the knowledge of what is limited: no new product comes without it."""

from collections.abc import Mapping

import structlog

from order_api.catalogue import Product, ProductSource
from order_api.stock_levels import StockLevels

log = structlog.get_logger()


class LimitedProducts:
    """A `ProductSource` that reads what is limited after each product that it had not before.

    The two copies in memory are read each in its own time. A product that comes with a copy of the stock from before it
    had any would be sold without limit until the next one, however long that takes while the stock table is away.

    Args:
        source: The products.
        levels: What is limited; read again before a new product is for sale.
    """

    def __init__(self, *, source: ProductSource, levels: StockLevels) -> None:
        self._source = source
        self._levels = levels
        self._known: frozenset[str] = frozenset()

    async def load(self) -> Mapping[str, Product]:
        """See `ProductSource.load`; without the new products while it cannot be found out whether they are limited."""
        products = await self._source.load()
        if not products.keys() <= self._known and not await self._know_stock():
            log.warning("products_held_back", products=sorted(products.keys() - self._known)[:10])
            products = {name: product for name, product in products.items() if name in self._known}
        self._known = frozenset(products)
        return products

    async def _know_stock(self) -> bool:
        """Whether what is limited is known as it is now; nothing is sold anyhow where it never was."""
        try:
            return await self._levels.refresh() or not self._levels.is_loaded
        except Exception:
            # A bug of ours, or an item nobody thought of: prices of the others are still to be read.
            log.exception("stock_refresh_crashed", stale=self._levels.is_loaded)
            return not self._levels.is_loaded
