"""Tells subscribers how orders ended: after the record, at least once, and beside the work that goes on."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol, Self

from flashmsg import EndedOrder, OrderOutcome, encode
from flashpay.entries import LedgerEntry
from flashpay.ledger import Ledger


class Publish(Protocol):
    """Publishes one message with its attributes to the topic of outcomes."""

    async def __call__(self, body: str, attributes: Mapping[str, str], /) -> None:
        """Return once the topic has acknowledged it; raise when that is not certain."""
        ...


Told = Callable[[LedgerEntry, Exception | None], object]
"""Is told of every attempt to tell of an end: the entry, and why it is owed still, if it is."""


class Announcer:
    """Publishes the outcomes that the ledger says are owed, and notes that they are told.

    What it does not come to do stays owed: a later delivery of the order's message does it, or the reconciler. Used
    as an async context manager; leaving the block waits for what is under way.

    Args:
        ledger: Says what is owed.
        publish: Publishes, and ends in time whatever the topic does.
        on_told: Told of every attempt.
    """

    def __init__(self, *, ledger: Ledger, publish: Publish, on_told: Told) -> None:
        self._ledger = ledger
        self._publish = publish
        self._on_told = on_told
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
        """Tell of an order's end, and note it; raises what `publish` and the ledger raise."""
        await self._tell(entry, outcome_of(entry))

    async def flush(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way.values())

    async def _try_to_tell(self, entry: LedgerEntry, event: OrderOutcome) -> None:
        error: Exception | None = None
        try:
            await self._tell(entry, event)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the outcome stays owed and nobody waits for it
            error = exc
        self._on_told(entry, error)

    async def _tell(self, entry: LedgerEntry, event: OrderOutcome) -> None:
        # Beside the body, for filter policies.
        attributes = {"type": event.type, "status": entry.status.value, "customer_id": str(entry.customer_id)}
        await self._publish(encode(event), attributes)
        await self._ledger.told(entry)


def outcome_of(entry: LedgerEntry) -> OrderOutcome:
    """The event of an ended order, of its entry alone: repeated by whoever, it is the same."""
    ended = EndedOrder(
        **dict(entry.order),
        status=entry.status,
        ended_at=entry.completed_at or entry.updated_at,
        attempt=entry.attempt,
        charge_id=entry.charge_id,
        reason=entry.reason,
    )
    return OrderOutcome.of(ended)
