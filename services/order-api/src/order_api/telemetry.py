"""One canonical log line, one observation and one trace position per request; every error a problem."""

import time
from contextvars import copy_context
from dataclasses import dataclass, field

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from flashops.logs import WriteInfo
from flashops.tracing import Traceparent
from order_api.metrics import Metrics
from order_api.rejections import Rejection, crashed, of_http_exception
from order_api.views import Receipt

UNMATCHED = "unmatched"
CLIENT_CLOSED_REQUEST = 499
# Asked for every few seconds by machines: its lines would drown the customers'.
_PROBE = "/health"
_LOGGED_PATH_CHARACTERS = 200
# A cancellation that is refused is no order that is.
_PLACES_FOR_ORDERS = frozenset({"/orders/async", "/orders/sync"})
# structlog's own variable: setting it is `bind_contextvars`, without its look for the variable by a spelled name.
_TRACE_ID = copy_context().run(structlog.contextvars.bind_contextvars, trace_id="")["trace_id"].var

log = structlog.get_logger()


@dataclass(slots=True)
class RequestContext:
    """What is known of a request besides its answer.

    Attributes:
        traceparent: Our position in the caller's trace, or in a new one.
        fields: What handlers add to the canonical log line.
        receipt: Of the order that is asked for, once it has an id.
    """

    traceparent: Traceparent
    receipt: Receipt | None = None
    fields: dict[str, object] = field(default_factory=dict)


REQUEST_CONTEXT = web.RequestKey("request_context", RequestContext)


def telemetry(metrics: Metrics, write_info: WriteInfo) -> Middleware:
    """Return the outermost middleware; `write_info` writes the line of every request but probes."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        caller = Traceparent.parse(request.headers.get("traceparent"))
        context = request[REQUEST_CONTEXT] = RequestContext(Traceparent.new() if caller is None else caller.child())
        # A request is its own task, so this ends with it.
        _TRACE_ID.set(context.traceparent.trace_id)
        route = _route_of(request)
        status = CLIENT_CLOSED_REQUEST
        try:
            try:
                response = await handler(request)
            except Exception as exc:  # noqa: BLE001 - whatever it is, it has an answer
                response = _refusal(exc, request, metrics=metrics, context=context, route=route)
            # The position in the trace that a customer can quote: the W3C draft's response header.
            response.headers["traceresponse"] = str(context.traceparent)
            status = response.status
            return response
        finally:
            seconds = time.perf_counter() - started
            metrics.request(method=request.method, route=route, status=status, seconds=seconds)
            try:  # noqa: SIM105 - `suppress` is made anew for every request
                _write_line(write_info, request, context, route=route, status=status, seconds=seconds)
            except (OSError, ValueError):
                # The order may be accepted already: a full disk under the log must not make a 500 of that.
                pass

    return observe


def _refusal(
    error: Exception, request: web.Request, *, metrics: Metrics, context: RequestContext, route: str
) -> web.StreamResponse:
    """The answer in place of an error that a handler raised."""
    if isinstance(error, Rejection):
        rejection = error
    elif isinstance(error, web.HTTPException):
        rejection = of_http_exception(error)
    else:
        log.error("request_failed", route=route, exc_info=error)
        rejection = crashed(context.receipt)
    context.fields["reason"] = rejection.reason
    if request.method == hdrs.METH_POST and route in _PLACES_FOR_ORDERS:
        metrics.rejected(rejection.reason)
    return rejection.response()


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return UNMATCHED if resource is None else resource.canonical


def _write_line(
    write_info: WriteInfo, request: web.Request, context: RequestContext, *, route: str, status: int, seconds: float
) -> None:
    if route == UNMATCHED:
        context.fields["path"] = request.path[:_LOGGED_PATH_CHARACTERS]
    fields = {
        "method": request.method,
        "route": route,
        "status": status,
        "duration_seconds": round(seconds, 6),
        **context.fields,
        "trace_id": context.traceparent.trace_id,
    }
    if route == _PROBE:
        log.debug("http_request", **fields)
    else:
        write_info("http_request", fields)
