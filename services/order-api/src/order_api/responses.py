"""The answers about an order that is accepted."""

from aiohttp import hdrs, web

from order_api.views import OrderAccepted, OrderView, status_url


def acceptance_response(order_id: str) -> web.Response:
    """Answer 202: the order is queued."""
    return web.Response(
        status=202,
        body=OrderAccepted.json_of(order_id),
        content_type="application/json",
        headers={hdrs.LOCATION: status_url(order_id), hdrs.CACHE_CONTROL: "no-store"},
    )


def order_response(view: OrderView, *, status: int = 200) -> web.Response:
    """Answer with an order; nobody may keep a copy, as it changes."""
    return web.Response(
        status=status,
        body=view.model_dump_json(exclude_none=True).encode(),
        content_type="application/json",
        headers={hdrs.CACHE_CONTROL: "no-store"},
    )
