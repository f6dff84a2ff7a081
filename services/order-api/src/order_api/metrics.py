"""What the API measures. Labels are bounded: the route template, never the path."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# A naive shop keeps its customers waiting for half a minute and more: the buckets reach 5 minutes.
DURATION_BUCKETS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0),
)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Metrics:
    """The API's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._add_requests(registry)
        self._add_orders(registry)
        self._add_cancellations(registry)
        self._add_publishing(registry)
        self._add_catalogue(registry)

    def _add_requests(self, registry: CollectorRegistry) -> None:
        requests = Histogram(
            "http_server_request_duration_seconds",
            "From the request's headers to its answer.",
            ["http_request_method", "http_route", "http_response_status_code"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        # Looking a series up by its labels costs more than the observation.
        self._requests = cache(requests.labels)

    def _add_orders(self, registry: CollectorRegistry) -> None:
        accepted = Counter(
            "orders_accepted", "Orders accepted, each at its first request.", ["mode"], registry=registry
        )
        repeated = Counter(
            "orders_repeated",
            "Accepted requests for an order that an earlier request had written down or settled.",
            ["mode"],
            registry=registry,
        )
        self._accepted, self._repeated = cache(accepted.labels), cache(repeated.labels)
        self._rejected = Counter("orders_rejected", "Orders refused, and why.", ["reason"], registry=registry)
        self._settled = Counter(
            "orders_settled", "Orders that this process brought to a terminal status.", ["status"], registry=registry
        )
        self.sync_in_flight = Gauge("sync_orders_in_flight", "Orders being settled in a request.", registry=registry)

    def _add_cancellations(self, registry: CollectorRegistry) -> None:
        self._cancelled = Counter(
            "orders_cancelled",
            "Requests to cancel an order that were granted, repeats included, by what the order was then.",
            ["status"],
            registry=registry,
        )

    def _add_publishing(self, registry: CollectorRegistry) -> None:
        self._batch_entries = Histogram(
            "publish_batch_entries", "Orders in one publish call.", buckets=tuple(range(1, 11)), registry=registry
        )
        self._publish_seconds = Histogram(
            "publish_duration_seconds",
            "One publish call, from its start to its answer.",
            buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
            registry=registry,
        )

    def _add_catalogue(self, registry: CollectorRegistry) -> None:
        self._products = Gauge("catalogue_products", "Products for sale.", registry=registry)
        self._refreshed = Gauge(
            "catalogue_refreshed_timestamp_seconds", "When the catalogue was last read (Unix time).", registry=registry
        )
        self._refresh_failures = Counter(
            "catalogue_refresh_failures", "Times the catalogue could not be read.", registry=registry
        )

    def request(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests(method if method in METHODS else "_OTHER", route, str(status)).observe(seconds)

    def accepted(self, mode: str, *, repeated: bool = False) -> None:
        """Count an order taken: `async`, `sync`, or `sync_fallback` when it was queued in the end.

        `repeated` is for requests of which an earlier one had written the order down. Should that one have been
        answered with an unknown outcome, the order is counted here alone: there are at least as many orders as
        were accepted, and at most as many as were accepted, repeated and of unknown outcome.
        """
        (self._repeated if repeated else self._accepted)(mode).inc()

    def rejected(self, reason: str) -> None:
        """Count an order refused."""
        self._rejected.labels(reason).inc()

    def settled(self, status: str) -> None:
        """Count an order brought to a terminal status."""
        self._settled.labels(status).inc()

    def cancelled(self, status: str) -> None:
        """Count a cancellation granted: `cancelled`, `refunding` or `refunded`."""
        self._cancelled.labels(status).inc()

    def batch(self, entries: int, seconds: float) -> None:
        """Count one publish call."""
        self._batch_entries.observe(entries)
        self._publish_seconds.observe(seconds)

    def catalogue_refreshed(self, products: int) -> None:
        """Note a catalogue that was read."""
        self._products.set(products)
        self._refreshed.set_to_current_time()

    def catalogue_failed(self) -> None:
        """Count a catalogue that could not be read."""
        self._refresh_failures.inc()
