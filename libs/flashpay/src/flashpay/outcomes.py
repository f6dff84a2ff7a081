"""Tells subscribers how orders ended: after the record, at least once, and beside the work that goes on."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self, TypeAlias

from flashmsg import EndedOrder, OrderOutcome, encode
from flashpay.entries import LedgerEntry
from flashpay.errors import FlashpayError, OutcomeOwedError
from flashpay.ledger import Ledger

Publish: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[None]]
"""Publishes a body with its attributes, and returns once it is acknowledged; raises when that is not certain."""

Told: TypeAlias = Callable[[str, Exception | None], object]
"""Is told of every attempt to tell of an end: the order's id, and why it is owed still, if it is."""


class Announcer:
    """Publishes the outcomes that the ledger says are owed, and notes that they are told.

    What it does not come to do stays owed: a later delivery of the order's message does it, or the reconciler. Used
    as an async context manager; leaving the block waits for what is under way.

    Args:
        ledger: Says what is owed.
        publish: Publishes, and ends in time whatever the topic does.

    Attributes:
        on_told: Told of every attempt in the background; to be set by whoever counts them.
    """

    def __init__(self, *, ledger: Ledger, publish: Publish, on_told: Told | None = None) -> None:
        self.on_told = on_told
        self._ledger = ledger
        self._publish = publish
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self.flush()

    def announce(self, entry: LedgerEntry) -> None:
        """Tell of an order's end in the background, if that is owed; the order itself never waits for its telling."""
        if not entry.event_owed:
            return
        event = outcome_of(entry)
        if event.id not in self._under_way:
            telling = asyncio.create_task(self._try_to_tell(entry, event), name=f"announce {event.id}")
            self._under_way[event.id] = telling
            telling.add_done_callback(lambda _: self._under_way.pop(event.id))

    async def tell(self, entry: LedgerEntry) -> None:
        """Tell of an order's end, and note it; raises FlashpayError when it is owed still."""
        await self._tell(entry, outcome_of(entry))

    async def flush(self, *, seconds: float | None = None) -> None:
        """Wait until nothing is under way, so long at most; what is then, goes on."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._under_way:
                    await asyncio.wait(self._under_way.values())

    async def _try_to_tell(self, entry: LedgerEntry, event: OrderOutcome) -> None:
        error: Exception | None = None
        try:
            await self._tell(entry, event)
        except FlashpayError as exc:
            error = exc
        if self.on_told is not None:
            self.on_told(entry.order_id, error)

    async def _tell(self, entry: LedgerEntry, event: OrderOutcome) -> None:
        # Beside the body, for filter policies.
        attributes = {"type": event.type, "status": entry.status.value, "customer_id": str(entry.customer_id)}
        try:
            await self._publish(encode(event), attributes)
        except Exception as exc:  # whatever a topic raises
            raise OutcomeOwedError(f"{event.id} is not published: {exc}", reason="unpublished") from exc
        await self._ledger.told(entry)


def outcome_of(entry: LedgerEntry) -> OrderOutcome:
    """The event of an ended order, of its entry alone: repeated by whoever, it is the same."""
    ended = EndedOrder(
        **dict(entry.order),
        status=entry.status,
        ended_at=entry.completed_at or entry.updated_at,
        attempt=entry.attempt,
        charge_id=entry.charge_id,
        refund_id=entry.refund_id,
        reason=entry.reason,
    )
    return OrderOutcome.of(ended)
