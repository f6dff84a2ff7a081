"""A real port with a server of ours behind it, and raw bytes to it."""

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry

SECOND = b"POST /second HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n"
LONG = 16_000_000


@dataclass
class Port:
    """A server on a port of its own, and what it served."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    served: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    number: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/slow":
            await self.release.wait()
        if request.path == "/long":
            return web.Response(body=bytes(LONG))
        try:
            body = await request.read()
        except web.RequestPayloadError:
            self.failed.append(request.path)
            return web.Response(status=400)
        self.served.append(request.path)
        return web.Response(text=f"{request.path} {len(body)}")

    def metric(self, name: str) -> float:
        return self.registry.get_sample_value(name) or 0.0

    async def until(self, name: str, value: float) -> None:
        async with asyncio.timeout(5):
            while self.metric(name) != value:  # noqa: ASYNC110 - the server signals nothing
                await asyncio.sleep(0.01)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.number)

    async def exchange(self, *parts: bytes, pause: float = 0.02) -> bytes:
        """Send the parts and return everything that comes until the server closes."""
        reader, writer = await self.open()
        for part in parts:
            writer.write(part)
            await asyncio.sleep(pause if len(parts) > 1 else 0)
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        return answer


Open = Callable[..., AbstractAsyncContextManager[Port]]


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answers)]
