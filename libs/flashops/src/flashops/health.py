"""Liveness and readiness: may this process be restarted, may it be sent work."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

import orjson
from aiohttp import web

# Returns normally when well; raises, or returns False, when not.
Check: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """The answer of `/readyz`: `checks` maps each check to `ok` or to why it failed."""

    ready: bool
    status: str
    checks: dict[str, str] = field(default_factory=dict)


class Health:
    """What `/livez` and `/readyz` answer; shared by a service and its server."""

    def __init__(self, *, check_timeout: timedelta = timedelta(seconds=2)) -> None:
        """Each readiness check fails when it takes longer than `check_timeout`."""
        self._checks: dict[str, Check] = {}
        self._check_timeout = check_timeout
        self._draining = False

    @property
    def draining(self) -> bool:
        """Whether this process takes no new work because it is stopping."""
        return self._draining

    def add_check(self, name: str, check: Check) -> None:
        """Make readiness depend on `check`, shown under `name`."""
        self._checks[name] = check

    def set_draining(self) -> None:
        """Answer unready from now on; there is no way back."""
        self._draining = True

    async def ready(self) -> Readiness:
        """Run every check at the same time; none is run while draining."""
        if self._draining:
            return Readiness(ready=False, status="draining")
        outcomes = await asyncio.gather(*(self._outcome(check) for check in self._checks.values()))
        checks = dict(zip(self._checks, outcomes, strict=True))
        ready = all(outcome == "ok" for outcome in outcomes)
        return Readiness(ready=ready, status="ready" if ready else "unready", checks=checks)

    async def _outcome(self, check: Check) -> str:
        try:
            async with asyncio.timeout(self._check_timeout.total_seconds()):
                return "failed" if await check() is False else "ok"
        except TimeoutError:
            return "timed out"
        except Exception as exc:  # noqa: BLE001 - whatever a check raises, the answer is "not ready"
            return f"failed: {type(exc).__name__}"


def add_health_routes(app: web.Application, health: Health) -> None:
    """Serve `/livez` (200 while the process answers) and `/readyz` (503 when it must get no work)."""

    async def livez(_request: web.Request) -> web.Response:
        return _json({"status": "alive"}, status=200)

    async def readyz(_request: web.Request) -> web.Response:
        readiness = await health.ready()
        body = {"status": readiness.status, "checks": readiness.checks}
        return _json(body, status=200 if readiness.ready else 503)

    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)


def _json(body: object, *, status: int) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
