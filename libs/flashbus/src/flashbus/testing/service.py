"""An HTTP service that answers as told, for clients of AWS to talk to."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Service:
    """A service that gives its answers in turn, the last one again and again, and keeps what it was asked."""

    answers: Sequence[Callable[[], web.Response]]
    asked: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.bodies.append(await request.read())
        return self.answers[min(len(self.asked), len(self.answers)) - 1]()


@asynccontextmanager
async def serving(*answers: Callable[[], web.Response], **options: Any) -> AsyncIterator[tuple[Service, str]]:  # noqa: ANN401 - of a test server
    service, app = Service(answers), web.Application()
    app.router.add_post("/", service.answer)
    async with TestServer(app, **options) as server:
        yield service, str(server.make_url("")).rstrip("/")
