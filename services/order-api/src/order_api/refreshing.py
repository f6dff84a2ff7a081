"""Copies in memory that are read again and again in the background."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import TracebackType
from typing import Self


class RefreshLoop:
    """Calls `refresh` at once and after every pause, while its block is open.

    Used as an async context manager; entering it waits for nothing.

    Args:
        refresh: Reads the source once; an error of the source is its own affair.
        pause: How long to wait now before the next call.
        on_crash: Told of an error that `refresh` did not expect; the loop goes on.
        name: Of the task.
    """

    def __init__(
        self,
        refresh: Callable[[], Awaitable[object]],
        *,
        pause: Callable[[], timedelta],
        on_crash: Callable[[Exception], object],
        name: str,
    ) -> None:
        self._refresh = refresh
        self._pause = pause
        self._on_crash = on_crash
        self._name = name
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=self._name)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            # Only a read is lost; no need to wait for a source that may be down.
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                await self._refresh()
            except Exception as exc:  # noqa: BLE001 - a bug of ours, or a row nobody thought of: the next one may work
                self._on_crash(exc)
            await asyncio.sleep(self._pause().total_seconds())
