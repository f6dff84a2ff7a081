"""The baseline of row 3: one `Publish` of aiobotocore in every request."""

import asyncio
import os
from typing import Any

from aiohttp import web

from flashbus.clients import aws_client
from flashmsg import OrderPlaced, OrderRequest, encode
from flashpay.testing import sample_order


class _Handler:
    def __init__(self, sns: Any) -> None:  # noqa: ANN401 - an aiobotocore client is untyped
        self._sns = sns

    async def order(self, request: web.Request) -> web.Response:
        OrderRequest.model_validate_json(await request.read())
        event = encode(OrderPlaced.of(sample_order()))
        await self._sns.publish(TopicArn=os.environ["ORDERS_TOPIC_ARN"], Message=event)
        return web.Response(status=202, body=b'{"status":"pending"}', content_type="application/json")


async def _main() -> None:
    async with aws_client("sns", max_pool_connections=512) as sns:
        app = web.Application()
        app.router.add_post("/orders/async", _Handler(sns).order)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"])).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
