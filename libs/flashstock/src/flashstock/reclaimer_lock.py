"""Who reclaims: one process at a time, so that the others need not. Two at once do no harm."""

from dataclasses import dataclass
from typing import Any

from flashstock.table import ConditionFailedError, Put, StockTable, Where

_KEY = "reclaimer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds the lock, and how often it has shown that it lives."""

    owner: str
    beats: int


class ReclaimerLock:
    """An item that its holder keeps changing; one that does not change any more is free."""

    def __init__(self, table: StockTable) -> None:
        self._table = table

    async def holder(self) -> Holder | None:
        """Who holds the lock; None if nobody ever did."""
        item: Any = (await self._table.read([_KEY])).get(_KEY)
        return None if item is None else Holder(owner=item["owner"], beats=item["beats"])

    async def take(self, owner: str, *, seen: Holder | None) -> bool:
        """Take or keep the lock, unless it has changed since it was seen so; whether `owner` has it."""
        unchanged = [Where(("id",), "missing")] if seen is None else [Where(("beats",), "=", seen.beats)]
        beats = 1 if seen is None else seen.beats + 1
        try:
            await self._table.write(Put(item={"id": _KEY, "owner": owner, "beats": beats}, where=unchanged))
        except ConditionFailedError as failed:
            found: Any = failed.item
            return found is not None and (found["owner"], found["beats"]) == (owner, beats)
        return True
