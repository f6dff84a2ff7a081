"""`POST /orders/async`: queue the order, answer 202 once the queue has it."""

from aiohttp import web

from order_api.acceptance import asked_for, queue
from order_api.limited_orders import queue_limited, reserved
from order_api.limited_sale import NOTHING_RESERVED


async def post_async_order(request: web.Request) -> web.StreamResponse:
    """Answer 202 when the topic has acknowledged the order."""
    draft, order = await asked_for(request)
    units = await reserved(request, draft, order)
    if units is NOTHING_RESERVED:
        return await queue(request, draft, order, units, mode="async")
    return await queue_limited(request, draft, order, units)
