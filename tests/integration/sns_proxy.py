"""A way to SNS on which answers can be lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web


@dataclass(kw_only=True)
class SnsProxy:
    """Passes calls on. While `losing`, the calls arrive and their answers do not; `lost` counts them."""

    url: str = ""
    losing: bool = False
    lost: int = 0


@asynccontextmanager
async def sns_proxy(upstream: str) -> AsyncIterator[SnsProxy]:
    """Serve a proxy in front of `upstream` for the length of the block."""
    proxy = SnsProxy()
    async with aiohttp.ClientSession(auto_decompress=False) as session:

        async def pass_on(request: web.Request) -> web.StreamResponse:
            headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
            async with session.post(f"{upstream}/", data=await request.read(), headers=headers) as answer:
                body = await answer.read()
                if proxy.losing:
                    proxy.lost += 1
                    assert request.transport is not None
                    request.transport.abort()
                return web.Response(status=answer.status, body=body, content_type=answer.content_type)

        app = web.Application()
        app.router.add_post("/", pass_on)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
        finally:
            await runner.cleanup()
