"""`GET /orders/{order_id}`: how an order goes."""

from aiohttp import web

from order_api.app_keys import BOOK, RETRY_AFTER
from order_api.order_book import OrderBookError
from order_api.order_paths import order_id_of
from order_api.rejections import Rejection
from order_api.responses import order_response
from order_api.telemetry import REQUEST_CONTEXT
from order_api.views import OrderView


async def get_order(request: web.Request) -> web.Response:
    """Answer 200 with what the ledger knows; an order of ours that it does not know is pending."""
    order_id = order_id_of(request)
    try:
        entry = await request.app[BOOK].find(order_id)
    except OrderBookError as exc:
        request[REQUEST_CONTEXT].fields["error"] = str(exc)
        raise Rejection(
            503,
            "ledger_unavailable",
            "Orders cannot be looked up right now",
            errors=[("order_id", "The order could not be looked up; ask again")],
            retry_after=request.app[RETRY_AFTER].spread(request.app[BOOK].outage),
        ) from exc
    return order_response(OrderView.pending(order_id) if entry is None else OrderView.of(entry))
