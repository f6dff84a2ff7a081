"""`POST /orders/sync`: settle while the customer waits, or fall back to the queue."""

from datetime import UTC, datetime, timedelta

from aiohttp import hdrs, web

from flashmsg import Order
from flashpay import Busy, Duplicate, FlashpayError, GatewayUnavailableError, Mismatch, Settled
from order_api.app_keys import DESK, METRICS, RETRY_SOON, SETTINGS
from order_api.async_orders import order_of, queue
from order_api.intake import IDEMPOTENCY_KEY
from order_api.rejections import Rejection
from order_api.sync_desk import LateError, LineFullError
from order_api.telemetry import TRAIL
from order_api.views import OrderView


async def post_sync_order(request: web.Request) -> web.Response:
    """Answer 200 with the terminal order; 202 when it went to the queue after all."""
    order = await order_of(request)
    try:
        settlement = await request.app[DESK].settle(order, traceparent=str(request[TRAIL].traceparent))
    except LineFullError as exc:
        raise _line_full(request) from exc
    except (LateError, FlashpayError) as exc:
        return await _unsettled(request, order, exc)
    match settlement:
        case Settled(entry=entry):
            request.app[METRICS].accepted("sync")
            request[TRAIL].fields["mode"] = "sync"
            return order_response(OrderView.of(entry))
        case Duplicate(entry=entry):
            # Accepted when it was settled; counting it again would make orders out of retries.
            request[TRAIL].fields["duplicate"] = True
            return order_response(OrderView.of(entry))
        case Busy(lease_until=lease_until):
            return await _busy(request, order, lease_until)
        case Mismatch():
            message = "This key was used for an order of other content"
            raise Rejection.of_field(422, "mismatch", IDEMPOTENCY_KEY, message)


def order_response(view: OrderView) -> web.Response:
    """Answer 200 with an order; nobody may keep a copy, as it changes."""
    return web.Response(
        body=view.model_dump_json(exclude_none=True).encode(),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )


def _line_full(request: web.Request) -> Rejection:
    return Rejection(
        503,
        "line_full",
        "Too many customers are paying right now",
        errors=[("body", "The order was not accepted; try again, or send it to /orders/async")],
        retry_after=max(RETRY_SOON, timedelta(seconds=request.app[SETTINGS].sync_wait_seconds)),
    )


async def _unsettled(request: web.Request, order: Order, error: LateError | FlashpayError) -> web.Response:
    request[TRAIL].fields["error"] = str(error)
    if request.app[SETTINGS].sync_fallback:
        # Whatever became of the charge, the queue brings the order to its end under the same key.
        return await queue(request, order, mode="sync_fallback")
    if not error.retryable:
        raise Rejection.of_field(
            502, "payment_refused", "body", "The payment provider did not understand us"
        ) from error
    retry_after = error.retry_after if isinstance(error, GatewayUnavailableError) else None
    raise Rejection(
        503,
        "late" if isinstance(error, LateError) else "payment_unavailable",
        "The payment did not come through in time",
        errors=[("body", "It is not known whether you were charged; repeat with the same Idempotency-Key")],
        retry_after=retry_after or RETRY_SOON,
    ) from error


async def _busy(request: web.Request, order: Order, lease_until: datetime) -> web.Response:
    if request.app[SETTINGS].sync_fallback:
        # Its holder may be dead: queued, the order comes to its end either way.
        return await queue(request, order, mode="sync_fallback")
    raise Rejection(
        409,
        "in_progress",
        "The same order is being paid already",
        errors=[(IDEMPOTENCY_KEY, "A request with this key is in progress")],
        retry_after=max(RETRY_SOON, lease_until - datetime.now(UTC)),
    )
