"""What is for sale and at which price, kept in memory and refreshed in the background."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

import structlog

from order_api.refreshing import RefreshLoop

# While there is nothing to sell the source is read again soon.
_NOTHING_TO_SELL_PAUSE = timedelta(seconds=1)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One thing for sale; the price is an integer of minor units of the currency."""

    product_id: str
    name: str
    unit_price_minor: int
    currency: str


class CatalogueError(Exception):
    """The products could not be read."""

    retryable = True


class CatalogueNotLoadedError(CatalogueError):
    """The source has not been read since the start: nothing can be priced yet."""


class ProductSource(Protocol):
    """Where products are kept; a DynamoDB table in production."""

    async def load(self) -> Mapping[str, Product]:
        """Read all products, by id.

        Raises:
            CatalogueError: They could not be read.
        """


class Catalogue:
    """All products in memory; `find` never waits.

    The last copy stays in use while the source fails. A source that was read and has no products is no failure:
    it is a new shop, or one whose last product was withdrawn. Nothing is for sale then, and the API is ready.

    Used as an async context manager, which runs the refresh; the first load does not hold up the start.

    Args:
        source: Read in one go at each refresh.
        refresh: How long a copy is used before the next one is read.
        on_refresh: Told how many products the new copy has.
        on_failure: Told that a refresh failed.
    """

    def __init__(
        self,
        *,
        source: ProductSource,
        refresh: timedelta,
        on_refresh: Callable[[int], object] | None = None,
        on_failure: Callable[[], object] | None = None,
    ) -> None:
        self._source = source
        self._refresh = refresh
        self._on_refresh = on_refresh
        self._on_failure = on_failure
        self._products: Mapping[str, Product] | None = None
        self._loop = RefreshLoop(self.refresh, pause=self._pause, on_crash=self._crashed, name="catalogue-refresh")

    async def __aenter__(self) -> Self:
        await self._loop.__aenter__()
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._loop.__aexit__(type_, value, traceback)

    @property
    def products(self) -> Mapping[str, Product]:
        """All products by id, in an object of its own for every copy.

        Raises:
            CatalogueNotLoadedError: The first load has not succeeded yet.
        """
        if self._products is None:
            raise CatalogueNotLoadedError("the catalogue is not loaded yet")
        return self._products

    @property
    def is_loaded(self) -> bool:
        """Whether the source has been read; it may have been empty."""
        return self._products is not None

    async def check(self) -> bool:
        """Answer the readiness probe."""
        return self.is_loaded

    def find(self, product_id: str) -> Product | None:
        """Return the product, or None if there is none of that id.

        Raises:
            CatalogueNotLoadedError: The first load has not succeeded yet.
        """
        return self.products.get(product_id)

    async def refresh(self) -> bool:
        """Read the source once and tell whether that succeeded; a failure keeps the old copy."""
        try:
            products = await self._source.load()
        except CatalogueError as exc:
            log.warning("catalogue_refresh_failed", error=str(exc), stale=self.is_loaded)
            if self._on_failure is not None:
                self._on_failure()
            return False
        if not products and self._products != products:
            log.warning("catalogue_empty", products_before=len(self._products or ()))
        self._products = products
        if self._on_refresh is not None:
            self._on_refresh(len(products))
        return True

    def _pause(self) -> timedelta:
        return self._refresh if self._products else min(self._refresh, _NOTHING_TO_SELL_PAUSE)

    def _crashed(self, error: Exception) -> None:
        log.error("catalogue_refresh_crashed", stale=self.is_loaded, exc_info=error)
        if self._on_failure is not None:
            self._on_failure()
