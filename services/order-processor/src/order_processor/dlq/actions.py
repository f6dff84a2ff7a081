"""What can be done to one dead letter."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from flashbus.dead_letters import dead_letter_attributes
from flashbus.queue import Message, MessageSender, QueueUnavailableError
from flashmsg import FlashmsgError, OrderPlaced, Reservation, decode
from flashpay import FlashpayError
from order_processor.dlq.audit_log import AuditLog, Author
from order_processor.dlq.last_traces import LastTraces
from order_processor.dlq.letters import Letter
from order_processor.dlq.places import HOMES, Home
from order_processor.dlq.walk import Walk

EDITED_BY = "dead_letter_edited_by"
EDITED_WHY = "dead_letter_edited_why"
REDRIVEN_IN = "dead_letter_redriven_in"
_SENT_ONLY = "it was sent, but not removed: it will be seen once more"


class NotDoneError(Exception):
    """This letter stays where it is; the message says why."""


class Action(Protocol):
    """Does something to a letter that a walk came upon.

    Raises:
        NotDoneError: Not possible for this letter.
        QueueUnavailableError: AWS did not do its part.
    """

    async def __call__(self, letter: Letter, message: Message, walk: Walk) -> None: ...


class Preview(Protocol):
    """Says what an action would do beside what it is called after, or nothing; by reading alone.

    Raises:
        NotDoneError: The action would not be possible for this letter.
    """

    async def __call__(self, letter: Letter) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Another body for a letter, and whose it is."""

    body: str
    author: Author


@dataclass(frozen=True, kw_only=True)
class Redrive:
    """Sends a letter back with its reason beside it, which is how the consumer knows a redrive, then removes it.

    Killed in between, it is sent a second time by the next redrive; the order is settled once all the same.

    Attributes:
        senders: To where letters go home.
        run: Names this run of the command in all that it sends: what comes back with it has failed again.
        to: Where all of them go instead, as when the consumer was exchanged meanwhile.
        edit: What is sent in place of the body.
        audit_log: Where an edit is written down.
    """

    senders: Mapping[Home, MessageSender]
    audit_log: AuditLog
    run: str
    to: Home | None = None
    edit: Edit | None = None

    async def __call__(self, letter: Letter, message: Message, walk: Walk) -> None:
        """See `Action`."""
        home = self.to or HOMES[letter.queue]
        sender = self.senders.get(home)
        if sender is None:
            raise NotDoneError(f"it goes back to the {home}, which nobody named")
        body = letter.body if self.edit is None else self.edit.body
        if body is None:
            raise NotDoneError("it holds no message that could be sent")
        if self.edit is not None:
            _refuse_another_order(letter, self.edit)
            self.audit_log.write("edit", letter, self.edit.author, new_body=body)
        await sender.send(body, attributes=self._attributes(letter))
        try:
            removed = await walk.remove(message)
        except QueueUnavailableError as exc:
            raise NotDoneError(f"{_SENT_ONLY} ({exc})") from exc
        if not removed:
            raise NotDoneError(_SENT_ONLY)

    def _attributes(self, letter: Letter) -> dict[str, str]:
        # First, for of too many attributes the last are left out.
        first = {REDRIVEN_IN: self.run}
        if self.edit is not None:
            first |= {EDITED_BY: self.edit.author.by, EDITED_WHY: self.edit.author.why}
        own = first | {name: value for name, value in letter.attributes.items() if name not in first}
        return dead_letter_attributes(own, reason=letter.reason, detail=letter.detail, receives=letter.receives or 1)


def _refuse_another_order(letter: Letter, edit: Edit) -> None:
    """Of an order that can be read, nothing may be changed that its customer has asked for.

    Under its id the ledger takes no other content, and would have the message for a mistake: the order would stay
    unpaid without a letter. Under another id, or without its units, the same.
    """
    ordered = _ordered(letter.body)
    if ordered is not None and ordered != _ordered(edit.body):
        raise NotDoneError(f"the edit is not what was ordered as {ordered[0]}: the same customer, lines and units")


def _ordered(body: str | None) -> tuple[str, str, Reservation | None] | None:
    event = _event(body)
    return None if event is None else (event.data.order_id, event.data.fingerprint, event.reservation)


def _event(body: str | None) -> OrderPlaced | None:
    try:
        return decode(body or "")
    except FlashmsgError:
        return None


@dataclass(frozen=True, kw_only=True)
class Discard:
    """Removes a letter for good; the audit log has it.

    Attributes:
        audit_log: Where it is written down first.
        author: Who does it, and why.
        last_traces: Ends an order that nobody would know of any more; None where nobody named the ledger.
    """

    audit_log: AuditLog
    author: Author
    last_traces: LastTraces | None = None

    async def __call__(self, letter: Letter, message: Message, walk: Walk) -> None:
        """See `Action`."""
        trace = _trace(letter, self.last_traces)
        self.audit_log.write("discard", letter, self.author)
        if trace is not None:
            await _end(*trace)
        if not await walk.remove(message):
            raise NotDoneError("it was not removed")


@dataclass(frozen=True, kw_only=True)
class DiscardPreview:
    """Says what `Discard` would make of a letter's order, and changes nothing.

    Attributes:
        last_traces: As of `Discard`.
    """

    last_traces: LastTraces | None = None

    async def __call__(self, letter: Letter) -> str:
        """See `Preview`."""
        trace = _trace(letter, self.last_traces)
        if trace is None:
            return ""
        last_traces, event = trace
        try:
            last = await last_traces.is_last(event)
        except FlashpayError as exc:
            raise NotDoneError(f"the ledger does not say what is known of its order: {exc}") from exc
        units = "" if event.reservation is None else ", and its units would be for sale again"
        return f"its order, which the ledger has never met, would end failed{units}" if last else ""


def _trace(letter: Letter, last_traces: LastTraces | None) -> tuple[LastTraces, OrderPlaced] | None:
    """The order in a letter, and who can end it; None where there is no order."""
    event = _event(letter.body)
    if event is None:
        return None
    if last_traces is None:
        raise NotDoneError("it may be all that is known of its order, and nobody named the ledger (ORDERS_TABLE)")
    return last_traces, event


async def _end(last_traces: LastTraces, event: OrderPlaced) -> None:
    try:
        await last_traces.end(event)
    except FlashpayError as exc:
        raise NotDoneError(f"its order has not ended: {exc}") from exc
