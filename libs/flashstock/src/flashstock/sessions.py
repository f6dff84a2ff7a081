"""Selling sessions: one life of one process that sells, as a reclaimer sees it."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flashstock.errors import SessionClosedError
from flashstock.pages import Page, Pages, Slot, empty_slot, read_page, slot_key
from flashstock.table import ConditionFailedError, Delete, Item, Put, StockTable, Update, Where

MAX_SLOTS = 90
"""A session and its slots are opened in one transaction."""

# As with products: a table cannot list its sessions.
_SESSIONS_KEY = "sessions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What the table says of a session.

    Attributes:
        id: Its name, never used again.
        beats: Counts its heartbeats.
        owner: Which process it is, for people.
        slots: How many journal slots it has.
        open: Whether it may sell.
    """

    id: str
    beats: int
    owner: str
    slots: int
    open: bool


class Sessions:
    """Opens, beats, closes and lists sessions."""

    def __init__(self, table: StockTable) -> None:
        self._table = table
        self._pages = Pages(table)

    async def open(self, session_id: str, *, owner: str, slots: int) -> None:
        """Open a session and its empty slots at once."""
        item: Item = {"id": session_key(session_id), "beats": 1, "owner": owner, "slots": slots, "state": "open"}
        await self._table.transact(
            [
                Put(item=item, where=[Where(("id",), "missing")]),
                Update(id=_SESSIONS_KEY, include={("ids",): frozenset({session_id})}),
                *(empty_slot(session_id, number) for number in range(slots)),
            ]
        )

    async def beat(self, session_id: str, beats: int) -> None:
        """Show that the session lives: its `beats` are now this many.

        Raises:
            SessionClosedError: A reclaimer has closed it.
        """
        try:
            await self._table.write(
                Update(
                    id=session_key(session_id),
                    assign={("beats",): beats},
                    where=[*session_is_open(), Where(("beats",), "<=", beats)],
                )
            )
        except ConditionFailedError as failed:
            raise SessionClosedError("the session is closed", certain=True) from failed

    async def list(self) -> Sequence[Session]:
        """Every session that is not removed."""
        listed, _ = await self.with_pages([])
        items = await self._table.read([session_key(one) for one in listed])
        return [_read(item) for item in items.values()]

    async def with_pages(self, slots: Iterable[Slot]) -> tuple[Sequence[str], Mapping[Slot, Page]]:
        """The names of every session that is not removed, and those of the slots that exist: in one read."""
        keys = {slot_key(*slot): slot for slot in slots}
        items = dict(await self._table.read([_SESSIONS_KEY, *keys]))
        listed: Any = items.pop(_SESSIONS_KEY, {}).get("ids", frozenset())
        return sorted(listed), {keys[key]: read_page(item) for key, item in items.items()}

    async def close(self, session: Session) -> bool:
        """Close a session that has not beaten since it was seen; whether it is closed now."""
        try:
            await self._table.write(
                Update(
                    id=session_key(session.id),
                    assign={("state",): "closed"},
                    where=[Where(("beats",), "=", session.beats)],
                )
            )
        except ConditionFailedError:
            return False
        return True

    async def leave(self, session_id: str) -> None:
        """Close a session of one's own, which sells no more: whatever of it is still on its way is refused."""
        with suppress(ConditionFailedError):  # a reclaimer has removed it
            await self._table.write(
                Update(id=session_key(session_id), assign={("state",): "closed"}, where=[Where(("id",), "exists")])
            )

    async def remove(self, session_id: str, *, slots: int) -> None:
        """Remove a closed session and its slots, when nothing of it is left to be done.

        It is listed until its last slot is gone: what does not get to the end is begun anew.
        """
        await self._pages.remove(session_id, slots=slots)
        await self._table.transact(
            [
                Delete(id=session_key(session_id)),
                Update(id=_SESSIONS_KEY, exclude={("ids",): frozenset({session_id})}),
            ]
        )


def session_key(session_id: str) -> str:
    """The key of a session's item."""
    return f"session#{session_id}"


def session_is_open() -> list[Where]:
    """The fence around everything that only an open session may do."""
    return [Where(("state",), "=", "open")]


def _read(item: Item) -> Session:
    values: Any = item
    return Session(
        id=values["id"].removeprefix("session#"),
        beats=values["beats"],
        owner=values["owner"],
        slots=values["slots"],
        open=values["state"] == "open",
    )
