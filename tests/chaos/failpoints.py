"""Where a test has a service end itself: before or after a call to what is outside of it, which is each of its steps.

`FAILPOINT=gateway.charge.done:3 python -m tests.chaos.failpoints order_processor` is the service with one; what is
shipped has none.
"""

import importlib
import inspect
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, TypeVar

# Where each program opens its connections.
PROGRAMS = {
    "order_api": "order_api.__main__",
    "order_processor": "order_processor.__main__",
    "order_processor.reconcile": "order_processor.reconcile.__main__",
    "order_processor.dlq": "order_processor.dlq.__main__",
    "lambda_handler": "lambda_handler.app",
}

# What a killed dead-letter command has looked at stays hidden for minutes; so long nobody waits here.
_HIDDEN = timedelta(seconds=2)

_C = TypeVar("_C")


def with_failpoint(connections: _C, failpoint: str, *, kill: Callable[[], object] | None = None) -> _C:
    """The same connections, which end the process at `failpoint`.

    Args:
        connections: A dataclass of what the process talks to.
        failpoint: `<field>.<method>.called` before the call or `.done` after it, and `:n` for the nth time. Of a field
            that holds several parts it is `<field>.<key>.<method>`.
        kill: Ends the process; SIGKILL unless given.
    """
    place, _, hit = failpoint.partition(":")
    point = _Failpoint(place=place, hits_left=int(hit or 1), kill=kill or _kill)
    parts: dict[str, Any] = {field.name: getattr(connections, field.name) for field in fields(connections)}  # type: ignore[arg-type] # any dataclass
    watched = {name: _watched(part, name, point) for name, part in parts.items() if part is not None}
    return replace(connections, **watched)  # type: ignore[type-var] # as above


def _watched(part: object, name: str, point: "_Failpoint") -> object:
    if isinstance(part, Mapping):
        return {key: _Watched(member, f"{name}.{key}", point) for key, member in part.items()}
    return _Watched(part, name, point)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True, kw_only=True)
class _Failpoint:
    place: str
    hits_left: int
    kill: Callable[[], object]

    def reach(self, place: str) -> None:
        if place == self.place:
            self.hits_left -= 1
            if not self.hits_left:
                self.kill()


class _Watched:
    """Stands for a part: its calls pass the failpoint, and so do those of the parts that it has."""

    def __init__(self, part: object, name: str, point: _Failpoint) -> None:
        self._part = part
        self._name = name
        self._point = point

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the part has
        member = getattr(self._part, name)
        place = f"{self._name}.{name}"
        if inspect.iscoroutinefunction(member):
            return self._watched_call(member, place)
        is_part = not callable(member) and type(member).__module__ != "builtins"
        return _Watched(member, place, self._point) if is_part else member

    def _watched_call(self, call: Callable[..., Awaitable[object]], place: str) -> Callable[..., Awaitable[object]]:
        async def watched(*arguments: object, **named: object) -> object:
            self._point.reach(f"{place}.called")
            answer = await call(*arguments, **named)
            self._point.reach(f"{place}.done")
            return answer

        return watched


@dataclass(frozen=True, kw_only=True)
class _Invocation:
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


def main() -> None:
    """Run one of the programs with the failpoint that the environment names; the function with events, a line each."""
    program = sys.argv.pop(1)
    module: Any = importlib.import_module(PROGRAMS[program])
    opened = module.open_connections

    @asynccontextmanager
    async def open_connections(*arguments: object, **named: object) -> AsyncIterator[object]:
        async with opened(*arguments, **named) as connections:
            yield with_failpoint(connections, os.environ["FAILPOINT"])

    module.open_connections = open_connections
    if program == "order_processor.dlq":
        importlib.import_module("order_processor.dlq.walk").HIDDEN = _HIDDEN  # type: ignore[attr-defined] # a module's
    if program == "lambda_handler":
        function = importlib.import_module("lambda_handler.main").handler
        for event in sys.stdin:
            answer = function(json.loads(event), _Invocation())
            sys.stdout.write(json.dumps({"answer": answer}) + "\n")
            sys.stdout.flush()
    else:
        module.main()


if __name__ == "__main__":
    main()
