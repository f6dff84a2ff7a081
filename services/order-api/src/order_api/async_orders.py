"""`POST /orders/async`: queue the order, answer 202 once the queue has it."""

from aiohttp import hdrs, web

from flashbus.publisher import Entry, PublishError
from flashmsg import Order, OrderPlaced, encode
from order_api.app_keys import INTAKE, METRICS, PUBLISHER, RETRY_SOON, SETTINGS
from order_api.bodies import read_json_body
from order_api.intake import IDEMPOTENCY_KEY
from order_api.rejections import Rejection
from order_api.telemetry import TRAIL
from order_api.views import OrderAccepted


async def post_async_order(request: web.Request) -> web.Response:
    """Answer 202 when the topic has acknowledged the order."""
    order = await order_of(request)
    return await queue(request, order, mode="async")


async def order_of(request: web.Request) -> Order:
    """Read the order that a request asks for.

    Raises:
        Rejection: The request is not acceptable.
    """
    settings = request.app[SETTINGS]
    body = await read_json_body(
        request, limit_bytes=settings.body_limit_bytes, deadline_seconds=settings.body_timeout_seconds
    )
    order = request.app[INTAKE].order(body, idempotency_keys=request.headers.getall(IDEMPOTENCY_KEY, []))
    request[TRAIL].fields["order_id"] = order.order_id
    return order


async def queue(request: web.Request, order: Order, *, mode: str) -> web.Response:
    """Publish an order and describe its acceptance.

    Raises:
        Rejection: 503, as the topic did not acknowledge it.
    """
    traceparent = str(request[TRAIL].traceparent)
    event = OrderPlaced.of(order, traceparent=traceparent)
    entry = Entry(encode(event), {"type": event.type, "traceparent": traceparent})
    try:
        await request.app[PUBLISHER].publish(entry)
    except PublishError as exc:
        request[TRAIL].fields["error"] = str(exc)
        raise Rejection(
            503,
            f"publish_{exc.reason}",
            "Orders cannot be taken right now",
            errors=[("body", "The order was not accepted; send it again with the same Idempotency-Key")],
            retry_after=RETRY_SOON,
        ) from exc
    request.app[METRICS].accepted(mode)
    request[TRAIL].fields["mode"] = mode
    accepted = OrderAccepted.of(order.order_id)
    return web.Response(
        status=202,
        body=accepted.model_dump_json().encode(),
        content_type="application/json",
        headers={hdrs.LOCATION: accepted.status_url, hdrs.CACHE_CONTROL: "no-store"},
    )
