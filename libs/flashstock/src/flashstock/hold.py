"""Units in the hands of one order, from the reservation to the publish."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from flashmsg import Reservation
from flashstock.errors import SessionClosedError, StockUnavailableError
from flashstock.journal import Publish, Ticket
from flashstock.pages import JournalEntry
from flashstock.selling_session import SellingSession

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_RESERVED: Final = "reserved"
_JOURNALED: Final = "journaled"
_OVER: Final = "over"

log = structlog.get_logger()


class Hold:
    """Units reserved for one order. Its holder commits it, publishes the order, and says what came of that.

    Exactly one of `published`, `withdraw` and `doubt` ends it; a `commit` that raises has ended it as well, and a
    `commit_and_publish` that returns.

    Attributes:
        reservation: What the order's message carries, for whoever ends the order.
    """

    __slots__ = ("_entry", "_session", "_slot", "_state", "reservation")

    # Made by `Seller.reserve`, which has told the session that an order begins.
    def __init__(self, session: SellingSession, reservation: Reservation) -> None:
        self.reservation = reservation
        self._session = session
        self._state = _RESERVED
        self._slot = -1
        self._entry: JournalEntry | None = None

    async def commit(self, body: str, attributes: Mapping[str, str]) -> None:
        """Write the order into the journal: from now on it is published, whatever becomes of this process.

        Raises:
            StockUnavailableError: It was not written in time, and the units go back. If that is not `certain`, it
                may have been written, and the order may still be published.
        """
        ticket = self._append(body, attributes)
        try:
            self._slot = await ticket.slot
        except BaseException as error:
            self._not_journaled(ticket, error)
            raise
        self._state = _JOURNALED

    async def commit_and_publish(self, body: str, attributes: Mapping[str, str], publish: Publish) -> None:
        """Commit, have the order published as soon as that is done, and end the hold: its holder wakes once for all.

        When this raises, `is_journaled` tells whether the hold has ended or awaits its end.

        Args:
            body: The order's message.
            attributes: The same.
            publish: Publishes it, with all orders of its page that are given the same one.

        Raises:
            StockUnavailableError: As `commit`.
            Exception: What `publish` completes its future with.
        """
        ticket = self._append(body, attributes, publish)
        try:
            await ticket.slot
        except BaseException as error:
            if ticket.published_from is None:
                self._not_journaled(ticket, error)
            else:
                self._slot, self._state = ticket.published_from, _JOURNALED
            raise
        assert ticket.published_from is not None  # noqa: S101 - or it would still wait
        self._session.journal.over(ticket.published_from)
        self._end()

    @property
    def is_journaled(self) -> bool:
        """Whether the order is published, whatever becomes of this process."""
        return self._state is _JOURNALED

    @property
    def is_over(self) -> bool:
        """Whether it has ended: somebody else looks after the order, or nobody needs to."""
        return self._state is _OVER

    def published(self) -> None:
        """The topic has taken the order."""
        self._must_be(_JOURNALED)
        self._session.journal.over(self._slot)
        self._end()

    async def withdraw(self) -> None:
        """The order is certainly not published, and shall not be: its units are for sale again.

        Raises:
            SessionClosedError: Somebody else publishes it.
            StockUnavailableError: It is not withdrawn yet. That goes on, but somebody else may publish it before.
        """
        if self._state is _RESERVED:
            self._put_back()
            return
        self._must_be(_JOURNALED)
        giving_back = self._session.background(self._give_back(self._slot), name=f"withdraw {self.reservation.id}")
        self._end()
        await asyncio.wait({giving_back}, timeout=self._session.patience.timeout.total_seconds())
        if not giving_back.done():
            raise StockUnavailableError("the order is not withdrawn yet", reason="too_slow")
        if giving_back.cancelled():
            raise SessionClosedError("the session is closed: the order may be published")
        giving_back.result()

    def doubt(self) -> None:
        """Nobody knows whether the topic has taken the order: it is published again until that is certain."""
        self._must_be(_JOURNALED)
        self._session.background(self._publish_until_certain(), name=f"publish {self.reservation.id} again")
        self._end()

    def _append(self, body: str, attributes: Mapping[str, str], publish: Publish | None = None) -> Ticket:
        self._must_be(_RESERVED)
        self._entry = JournalEntry(self.reservation, body, attributes)
        try:
            return self._session.journal.append(self._entry, publish)
        except BaseException:
            self._put_back()
            raise

    def _not_journaled(self, ticket: Ticket, error: BaseException) -> None:
        if isinstance(error, StockUnavailableError):
            self._put_back()
            return
        certain = self._abandon(ticket)
        if isinstance(error, TimeoutError):
            raise StockUnavailableError(
                "the order was not journaled in time", reason="too_slow", certain=certain
            ) from error

    def _abandon(self, ticket: Ticket) -> bool:
        """Give up a commit under way; whether it is certain that nothing is written."""
        if self._session.journal.remove(ticket):
            self._put_back()
            return True
        ticket.await_anew()
        self._session.background(self._give_back_when_written(ticket), name=f"withdraw {self.reservation.id}")
        self._end()
        return False

    async def _give_back_when_written(self, ticket: Ticket) -> None:
        try:
            slot = await ticket.slot
        except StockUnavailableError:
            self._put_units_back()
            return
        await self._give_back(slot)

    async def _give_back(self, slot: int) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while not await self._is_withdrawn(slot):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self._session.journal.over(slot)

    async def _is_withdrawn(self, slot: int) -> bool:
        try:
            await self._session.stock.withdrawals.withdraw(self.reservation, session_id=self._session.id, slot=slot)
        except SessionClosedError:
            self._session.close()
            raise
        except StockUnavailableError as error:
            log.warning("order_not_withdrawn", reservation=self.reservation.id, reason=error.reason)
        except Exception as error:  # noqa: BLE001 - counters that contradict it, or a bug: its page must not go
            log.error("order_not_withdrawn", reservation=self.reservation.id, error=repr(error))  # noqa: TRY400
        else:
            return True
        self._session.observer.stuck()
        return False

    async def _publish_until_certain(self) -> None:
        assert self._entry is not None  # noqa: S101 - it is journaled
        pause = _FIRST_PAUSE_SECONDS
        # Once the session is closed, a reclaimer publishes what is in its journal.
        while not self._session.closed.is_set():
            try:
                await self._session.publish_again(self._entry)
            except Exception as error:  # noqa: BLE001 - whatever it is, the order is not known to be published
                self._session.observer.stuck()
                log.warning("order_not_published_again", reservation=self.reservation.id, error=repr(error))
            else:
                self._session.journal.over(self._slot)
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._session.closed.wait()
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _put_back(self) -> None:
        self._must_be(_RESERVED)
        self._put_units_back()
        self._end()

    def _put_units_back(self) -> None:
        for product_id, units in self.reservation.units.items():
            self._session.shelf(product_id).put_back(units)

    def _end(self) -> None:
        self._state = _OVER
        self._session.end()

    def _must_be(self, state: str) -> None:
        if self._state is not state:
            raise RuntimeError(f"the hold is {self._state}, not {state}")
