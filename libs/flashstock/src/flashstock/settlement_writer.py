"""Group commit for endings: many orders that settle at once share a transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from flashstock.endings import Ending, Endings, Outcome
from flashstock.errors import StockError, StockUnavailableError

_TRANSACTION_ENDINGS = 90


@dataclass(slots=True, eq=False)
class _Waiting:
    ending: Ending
    result: asyncio.Future[Outcome] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class SettlementWriter:
    """Coalesces concurrent `settle` calls: while one transaction is under way, the next one fills.

    Used as an async context manager; leaving the block writes what waits.
    """

    def __init__(self, *, endings: Endings) -> None:
        self._endings = endings
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._closed = True
        if self._writing is not None:
            await self._writing

    async def settle(self, ending: Ending) -> Outcome:
        """End a reservation, and return how it has ended: as asked, or otherwise when it had ended before.

        A caller that gives up does not take its ending back; to end it again does no harm.

        Raises:
            StockUnavailableError: It may not be ended yet: settle it again.
            StockError: It cannot be ended.
        """
        if self._closed:
            raise StockUnavailableError("the settlement writer is closed", reason="closed", certain=True)
        waiting = _Waiting(ending)
        self._waiting.append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="settlement writer")
        return await waiting.result

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = (
                    self._waiting[:_TRANSACTION_ENDINGS],
                    self._waiting[_TRANSACTION_ENDINGS:],
                )
                await self._write_group(group)
        finally:
            self._writing = None
            for waiting in self._waiting:
                _fail(waiting, StockUnavailableError("the settlement writer was stopped", reason="closed"))

    async def _write_group(self, group: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._endings.settle([waiting.ending for waiting in group])
        except StockUnavailableError as error:
            for waiting in group:
                _fail(waiting, StockUnavailableError(str(error), reason=error.reason))
        except StockError as error:
            await self._write_alone(group, error)
        except BaseException:
            for waiting in group:
                _fail(waiting, StockUnavailableError("the settlement writer failed", reason="closed"))
            raise
        else:
            for waiting in group:
                if not waiting.result.done():
                    waiting.result.set_result(outcomes[waiting.ending.reservation.id])

    async def _write_alone(self, group: Sequence[_Waiting], error: StockError) -> None:
        """One ending that is impossible must not keep the others of its transaction from theirs."""
        if len(group) == 1:
            _fail(group[0], StockError(str(error)))
            return
        for waiting in group:
            await self._write_group([waiting])


def _fail(waiting: _Waiting, error: StockError) -> None:
    if not waiting.result.done():
        waiting.result.set_exception(error)
