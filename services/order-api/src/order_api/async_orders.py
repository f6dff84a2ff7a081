"""`POST /orders/async`: queue the order, answer 202 once the queue has it."""

from aiohttp import web

from order_api.acceptance import draft_of, order_of, queue


async def post_async_order(request: web.Request) -> web.Response:
    """Answer 202 when the topic has acknowledged the order."""
    draft = await draft_of(request)
    order = await order_of(request, draft)
    return await queue(request, draft, order, mode="async")
