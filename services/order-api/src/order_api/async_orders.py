"""`POST /orders/async`: queue the order, answer 202 once the queue has it."""

from aiohttp import web

from order_api.acceptance import draft_of, order_of, queue
from order_api.limited_orders import journaled, reserved


async def post_async_order(request: web.Request) -> web.StreamResponse:
    """Answer 202 when the topic has acknowledged the order."""
    draft = await draft_of(request)
    order = await order_of(request, draft)
    async with await reserved(request, draft, order) as units:
        await journaled(request, draft, order, units)
        return await queue(request, draft, order, units, mode="async")
