"""`DELETE /orders/{order_id}` and `POST /orders/{order_id}/cancel`: call an order off, or have it paid back."""

import structlog
from aiohttp import web

from flashmsg import OrderStatus
from flashpay import Cancellation, UnmetOrderError
from order_api.app_keys import BOOK, CANCELLER, METRICS, RETRY_AFTER, SETTINGS
from order_api.order_book import OrderBookError
from order_api.order_paths import order_id_of
from order_api.rejections import Rejection
from order_api.responses import order_response
from order_api.telemetry import REQUEST_CONTEXT
from order_api.views import OrderView

_GRANTED = {OrderStatus.CANCELLED: 200, OrderStatus.REFUNDED: 200, OrderStatus.REFUNDING: 202}
_TOO_LATE = {
    OrderStatus.DECLINED: "The payment was declined: there is nothing to cancel",
    OrderStatus.SOLD_OUT: "The order was sold out and not charged: there is nothing to cancel",
    OrderStatus.FAILED: "The order has failed and was not charged: there is nothing to cancel",
}

log = structlog.get_logger()


async def cancel_order(request: web.Request) -> web.Response:
    """Answer 200 with the order, `cancelled` or `refunded`, or 202 while its refund is not certain yet.

    Asked again, the answer is the same; a refund that was not finished goes on. A body is not looked at.
    """
    order_id = order_id_of(request)
    try:
        decided = await request.app[BOOK].answer(request.app[CANCELLER].decide(order_id))
    except OrderBookError as exc:
        raise _undecided(request, exc) from exc
    except UnmetOrderError as exc:
        raise _unmet(request) from exc
    traceparent = str(request[REQUEST_CONTEXT].traceparent)
    cancellation = await request.app[CANCELLER].finish(decided, traceparent=traceparent)
    status = cancellation.entry.status
    if status not in _GRANTED:
        raise _too_late(request, status)
    _note(request, cancellation)
    return order_response(OrderView.of(cancellation.entry), status=_GRANTED[status])


def _note(request: web.Request, cancellation: Cancellation) -> None:
    status = cancellation.entry.status.value
    request.app[METRICS].cancelled(status)
    request[REQUEST_CONTEXT].fields["cancelled"] = status
    trouble = cancellation.trouble
    if trouble is None:
        return
    request[REQUEST_CONTEXT].fields["error"] = str(trouble)
    if not trouble.retryable:
        # No repeat cures it, not even the reconciler's: somebody has to look.
        log.error("refund_refused", order_id=cancellation.entry.order_id, reason=trouble.reason, error=str(trouble))


def _too_late(request: web.Request, status: OrderStatus) -> Rejection:
    if status not in _TOO_LATE:
        message = "The order is being paid right now; once that is certain it can be cancelled, and is paid back"
        # By then the charge has its answer, or another attempt is at it.
        wait = request.app[RETRY_AFTER].spread(request.app[SETTINGS].payment_timeout)
        errors = [("order_id", message)]
        return Rejection(409, "payment_in_progress", "The order is being paid", errors=errors, retry_after=wait)
    message = _TOO_LATE[status]
    return Rejection(409, f"already_{status.value}", "It is too late to cancel", errors=[("order_id", message)])


def _unmet(request: web.Request) -> Rejection:
    message = (
        "The order is not taken up yet, or ended too long ago; once it is paid it can be cancelled, and is paid back"
    )
    wait = request.app[RETRY_AFTER].spread(request.app[SETTINGS].payment_timeout)
    return Rejection(
        409, "not_taken_up", "The order cannot be cancelled", errors=[("order_id", message)], retry_after=wait
    )


def _undecided(request: web.Request, error: OrderBookError) -> Rejection:
    request[REQUEST_CONTEXT].fields["error"] = str(error)
    return Rejection(
        503,
        "ledger_unavailable",
        "Orders cannot be cancelled right now",
        errors=[("order_id", "It is not known whether the order is cancelled; repeat this, or ask for its status")],
        retry_after=request.app[RETRY_AFTER].spread(request.app[BOOK].outage),
    )
