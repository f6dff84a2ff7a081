"""Fixtures of more than one file of these tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import http_parser, web, web_protocol

from flashops.connections import ConnectionLimits, ConnectionMetrics
from flashops.http import Runner
from libs.flashops.tests.port import Open, Port


@pytest.fixture(params=["C", "Python"])
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Open:
    if request.param == "Python":
        monkeypatch.setattr(web_protocol, "HttpRequestParser", http_parser.HttpRequestParserPy)

    @asynccontextmanager
    async def opened(*, most: int = 100, head_seconds: float = 5, read_seconds: float = 5) -> AsyncIterator[Port]:
        port = Port()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", port.handle)
        runner = Runner(
            app,
            metrics=ConnectionMetrics(port.registry),
            limits=ConnectionLimits(
                most=most,
                head_timeout=timedelta(seconds=head_seconds),
                read_timeout=timedelta(seconds=read_seconds),
            ),
            shutdown_timeout=timedelta(seconds=1),
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.number = int(runner.addresses[0][1])
        try:
            yield port
        finally:
            await runner.cleanup()

    return opened
