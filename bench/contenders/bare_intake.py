"""The baseline of row 1: aiohttp, on our event loop, validates the same body, waits for one round trip, answers 202."""

import asyncio
import os

from aiohttp import web

from flashmsg import OrderRequest
from flashops import event_loop

_SECONDS = float(os.environ["ROUND_TRIP_MS"]) / 1e3


async def _order(request: web.Request) -> web.Response:
    OrderRequest.model_validate_json(await request.read())
    await asyncio.sleep(_SECONDS)
    return web.Response(status=202, body=b'{"status":"pending"}', content_type="application/json")


async def _main() -> None:
    app = web.Application()
    app.router.add_post("/orders/async", _order)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    event_loop.run(_main())
