"""Journal slots: the orders about to be published, where a reclaimer finds them when their process has died."""

import asyncio
import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic_core import to_json

from flashmsg import Reservation
from flashstock.errors import SessionClosedError, StockUnavailableError
from flashstock.table import ConditionFailedError, Delete, Item, Put, StockTable, Update, Where

# Of the levels of ISA-L the first leaves as little of a page as the others, in the least time that compresses at all.
_LEVEL = 1
# The items of one transaction have 4 MB at most, and each of them 400 KB.
_AT_ONCE = 10

Slot: TypeAlias = tuple[str, int]
"""A session and the number of one of its slots."""


@dataclass(slots=True)
class JournalEntry:
    """One order as it is about to be published: its reservation and the message."""

    reservation: Reservation
    body: str
    attributes: Mapping[str, str]

    def head(self) -> str:
        """What a page has before the body as it is: a line of JSON about it, and how long it is."""
        # Only what is about the body is JSON: a body that is JSON itself would be full of escapes.
        about = [self.reservation.id, dict(self.reservation.units), dict(self.attributes), len(self.body)]
        return f"{to_json(about).decode()}\n"

    def to_text(self) -> str:
        """The entry as a page has it."""
        return self.head() + self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a slot holds.

    Attributes:
        sequence: Counts the pages of a session; 0 for none yet.
        packed: Its orders, as they are written: compressed.
        used: Units per product that the session had journaled when it wrote this page, in all its life.
    """

    sequence: int
    packed: str
    used: Mapping[str, int]

    @property
    def text(self) -> str:
        """Its orders, one after the other.

        Raises:
            StockUnavailableError: They cannot be read.
        """
        try:
            return zlib.decompress(b64decode(self.packed, validate=True)).decode() if self.packed else ""
        except (zlib.error, ValueError) as error:
            raise _garbled(error) from error

    @property
    def entries(self) -> Sequence[JournalEntry]:
        """The orders, of which some may be published already.

        Raises:
            StockUnavailableError: They cannot be read.
        """
        try:
            return list(_entries(self.text))
        except (ValueError, TypeError) as error:
            raise _garbled(error) from error


class Pages:
    """Writes and reads the slots of a session."""

    def __init__(self, table: StockTable) -> None:
        self._table = table

    async def write(
        self, session_id: str, slot: int, *, sequence: int, entries: Iterable[str], used: Mapping[str, int]
    ) -> None:
        """Overwrite a slot with a page of entries, each as `JournalEntry.to_text` has it, whole or in pieces.

        A request that arrives late changes nothing: not after a later page of the slot, not once it is closed, and
        not when it is removed.

        Raises:
            SessionClosedError: A reclaimer has closed the slot, and this page is not in it; or it has removed it,
                and that is not certain.
        """
        item: Item = {
            "id": slot_key(session_id, slot),
            "sequence": sequence,
            "entries": _packed(entries),
            "used": json.dumps(used),
        }
        fence = [*slot_is_open(), Where(("sequence",), "<", sequence)]
        try:
            await self._table.write(Put(item=item, where=fence))
        except ConditionFailedError as failed:
            # An earlier attempt whose answer was lost: the page is there, and whoever closed the slot has seen it.
            if failed.item is not None and failed.item["sequence"] == sequence:
                return
            # Of a slot that is removed nobody knows what was in it.
            raise SessionClosedError("the journal is closed", certain=failed.item is not None) from failed

    async def close(self, session_id: str, *, slots: int) -> None:
        """Let no page be written any more; what is in the slots stays."""
        await asyncio.gather(*map(self._close, _groups(session_id, slots)))

    async def _close(self, keys: Sequence[str]) -> None:
        there = [Where(("id",), "exists")]
        # The slots of a group are removed all together: then no page can be written either.
        with suppress(ConditionFailedError):
            await self._table.transact([Update(id=key, assign={("closed",): True}, where=there) for key in keys])

    async def remove(self, session_id: str, *, slots: int) -> None:
        """Remove the slots, of which nothing is needed any more; no late page can come back."""
        groups = _groups(session_id, slots)
        await asyncio.gather(*(self._table.transact([Delete(id=key) for key in keys]) for keys in groups))

    async def read(self, session_id: str, *, slots: int) -> Sequence[Page]:
        """The pages of a session."""
        return list((await self.read_slots([(session_id, number) for number in range(slots)])).values())

    async def read_slots(self, slots: Iterable[Slot]) -> Mapping[Slot, Page]:
        """Those of the slots that exist, of any sessions."""
        keys = {slot_key(*slot): slot for slot in slots}
        items = await self._table.read(list(keys))
        return {keys[key]: read_page(item) for key, item in items.items()}


def slot_key(session_id: str, slot: int) -> str:
    """The key of a journal slot."""
    return f"slot#{session_id}#{slot}"


def _packed(entries: Iterable[str]) -> str:
    from isal import isal_zlib  # noqa: PLC0415 - who writes no page, as the function, pays for it in no cold start

    return b64encode(isal_zlib.compress("".join(entries).encode(), _LEVEL)).decode("ascii")


def _garbled(error: Exception) -> StockUnavailableError:
    return StockUnavailableError(f"a page of a journal is garbled: {error}", reason="garbled")


def _entries(text: str) -> Iterator[JournalEntry]:
    at = 0
    while at < len(text):
        begin = text.index("\n", at) + 1
        name, units, attributes, length = json.loads(text[at:begin])
        at = begin + length
        body = text[begin:at]
        if len(body) < length:
            raise ValueError(f"the body of {name} is cut")
        yield JournalEntry(reservation=Reservation(id=name, units=units), body=body, attributes=attributes)


def _groups(session_id: str, slots: int) -> Sequence[Sequence[str]]:
    """The keys of the slots, in groups that are closed, and removed, in one transaction each."""
    keys = [slot_key(session_id, number) for number in range(slots)]
    return [keys[n : n + _AT_ONCE] for n in range(0, slots, _AT_ONCE)]


def empty_slot(session_id: str, slot: int) -> Put:
    """A slot that was never written. It must be there to be written: once removed, no late page can come back."""
    return Put(item={"id": slot_key(session_id, slot), "sequence": 0, "entries": "", "used": "{}"})


def slot_is_open() -> list[Where]:
    """The fence around everything that only a session whose slot is not closed may do."""
    return [Where(("id",), "exists"), Where(("closed",), "missing")]


def read_page(item: Item) -> Page:
    """What the item of a slot says."""
    values: Any = item
    return Page(sequence=values["sequence"], packed=values["entries"], used=json.loads(values["used"]))
