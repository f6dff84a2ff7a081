"""The `/metrics` route: Prometheus text, or OpenMetrics when the scraper asks for it."""

from collections.abc import Callable, Iterator

import structlog
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Counter, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector


class DroppedLines(Collector):
    """`log_lines_dropped_total`: lines that standard output and error did not take."""

    def __init__(self, dropped: Callable[[], int]) -> None:
        """`dropped` tells how many so far."""
        self._dropped = dropped

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Read the count."""
        yield CounterMetricFamily(
            "log_lines_dropped",
            "Lines of log lost because standard output or error was full, stalled or closed.",
            value=self._dropped(),
        )


def process_registry(*, lines_dropped: Callable[[], int]) -> CollectorRegistry:
    """Make a registry that holds what every process shows: CPU, memory, files, garbage, Python, lost lines.

    Args:
        lines_dropped: How many lines of log were lost so far, as `StandardStreams.dropped` tells.
    """
    registry = CollectorRegistry()
    registry.register(DroppedLines(lines_dropped))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Render `registry` in the best format that `accept` names.

    Args:
        registry: What to render.
        accept: The scraper's `Accept` header, empty if it sent none.

    Returns:
        The body and its full content type. A header that cannot be understood gets plain text.
    """
    try:
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type
    except (ValueError, TypeError):  # what the negotiation raises over a version like `abc`
        return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def add_metrics_route(app: web.Application, registry: CollectorRegistry) -> None:
    """Serve `registry` at `/metrics`."""

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = exposition(registry, request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})

    app.router.add_get("/metrics", metrics)


def outcome_counter(registry: CollectorRegistry) -> Callable[[str, Exception | None], None]:
    """Count attempts to tell subscribers how orders ended, and log what is owed to them still.

    Returns:
        To be told of every attempt: the order's id, and why it is owed, if it is.
    """
    attempts = Counter(
        "outcome_events", "Attempts to tell of an order's end: told, or owed still.", ["result"], registry=registry
    )

    def told(order_id: str, error: Exception | None) -> None:
        attempts.labels("told" if error is None else "owed").inc()
        if error is not None:
            structlog.get_logger().warning("outcome_owed", order_id=order_id, error=repr(error))

    return told
