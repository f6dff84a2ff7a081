"""How many units of the limited products are left, kept in memory and read again every second."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

import structlog

from flashstock.errors import StockError
from flashstock.levels import StockLevel
from order_api.refreshing import RefreshLoop

log = structlog.get_logger()


class StockNotLoadedError(Exception):
    """The counters have not been read since the start: it is not known yet what is limited."""

    retryable = True


class LevelSource(Protocol):
    """Where the counters are kept; the stock table in production."""

    async def all(self) -> Sequence[StockLevel]:
        """Read the counters of every limited product.

        Raises:
            StockError: They could not be read.
        """
        ...


class StockLevels:
    """The counters of every limited product in memory; `find` never waits. A product without them is not limited.

    They are what the stock table said at the last refresh: good for telling what is left, and for knowing that a
    product is limited. Whether a unit can still be had is decided by its reservation alone. The last copy stays in
    use while the source fails. Used as an async context manager, which runs the refresh.

    Args:
        source: Read in one go at each refresh; None where nothing is limited: then nothing is ever read.
        refresh: How long a copy is used before the next one is read.
        on_refresh: Told the counters of a new copy.
        on_failure: Told that a refresh failed.
    """

    def __init__(
        self,
        *,
        source: LevelSource | None,
        refresh: timedelta,
        on_refresh: Callable[[Sequence[StockLevel]], object] | None = None,
        on_failure: Callable[[], object] | None = None,
    ) -> None:
        self._source = source
        self._on_refresh = on_refresh
        self._on_failure = on_failure
        self._levels: Mapping[str, StockLevel] | None = {} if source is None else None
        # One read after the other: an earlier one that ended later would put an older copy in the place of a newer.
        self._reading = asyncio.Lock()
        self._loop = RefreshLoop(self.refresh, pause=lambda: refresh, on_crash=self._crashed, name="stock-refresh")

    async def __aenter__(self) -> Self:
        if self._source is not None:
            await self._loop.__aenter__()
        return self

    async def __aexit__(
        self, type_: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._loop.__aexit__(type_, value, traceback)

    @property
    def is_loaded(self) -> bool:
        """Whether it is known what is limited."""
        return self._levels is not None

    async def check(self) -> bool:
        """Answer the readiness probe."""
        return self.is_loaded

    @property
    def levels(self) -> Mapping[str, StockLevel]:
        """The counters by product id, in an object of its own for every copy.

        Raises:
            StockNotLoadedError: The first read has not succeeded yet.
        """
        if self._levels is None:
            raise StockNotLoadedError("the stock is not loaded yet")
        return self._levels

    async def refresh(self) -> bool:
        """Read the source once, as it is from now on, and tell whether that succeeded; a failure keeps the old copy."""
        if self._source is None:
            return True
        async with self._reading:
            return await self._read(self._source)

    async def _read(self, source: LevelSource) -> bool:
        try:
            levels = await source.all()
        except StockError as exc:
            log.warning("stock_refresh_failed", error=str(exc), stale=self.is_loaded)
            self._failed()
            return False
        self._levels = {level.product_id: level for level in levels}
        if self._on_refresh is not None:
            self._on_refresh(levels)
        return True

    def _crashed(self, error: Exception) -> None:
        log.error("stock_refresh_crashed", stale=self.is_loaded, exc_info=error)
        self._failed()

    def _failed(self) -> None:
        if self._on_failure is not None:
            self._on_failure()
