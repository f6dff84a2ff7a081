"""What the API measures of limited stock. Only limited products have series."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge

from flashstock.levels import StockLevel
from flashstock.observer import StockObserver


class StockMetrics(StockObserver):
    """The metrics of limited stock in one registry.

    The gauges repeat what the stock table says: every process of the API has the same ones, so take their maximum.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._available = Gauge("stock_available", "Units that can be reserved.", ["product_id"], registry=registry)
        self._reserved = Gauge(
            "stock_reserved", "Units in orders that have not ended, or on loan.", ["product_id"], registry=registry
        )
        self._refresh_failures = Counter(
            "stock_refresh_failures", "Times the stock could not be read.", registry=registry
        )
        self._reclaimed = Counter(
            "stock_reclaimed", "Units taken back from processes that died.", ["product_id"], registry=registry
        )
        self._republished = Counter(
            "stock_orders_republished", "Orders published for processes that died.", registry=registry
        )
        self._stuck = Counter(
            "stock_orders_stuck", "Failed attempts to place or take back an order of the journal.", registry=registry
        )
        self._sold_out = Counter(
            "stock_sold_out", "Orders refused because too few units were left.", ["product_id"], registry=registry
        )

    def levels(self, levels: Sequence[StockLevel]) -> None:
        """Note the counters that were read."""
        for level in levels:
            self.level(level)

    def level(self, level: StockLevel) -> None:
        """See `StockObserver.level`."""
        self._available.labels(level.product_id).set(level.available)
        self._reserved.labels(level.product_id).set(level.reserved)

    def refresh_failed(self) -> None:
        """Count a stock that could not be read."""
        self._refresh_failures.inc()

    def sold_out(self, product_id: str) -> None:
        """See `StockObserver.sold_out`."""
        self._sold_out.labels(product_id).inc()

    def reclaimed(self, product_id: str, units: int) -> None:
        """See `StockObserver.reclaimed`."""
        self._reclaimed.labels(product_id).inc(units)

    def republished(self) -> None:
        """See `StockObserver.republished`."""
        self._republished.inc()

    def stuck(self) -> None:
        """See `StockObserver.stuck`."""
        self._stuck.inc()
