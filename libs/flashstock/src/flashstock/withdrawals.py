"""Taking a journaled order back before anybody has seen it."""

from flashmsg import Reservation
from flashstock.endings import Ending, Endings, Outcome, product_updates
from flashstock.errors import SessionClosedError
from flashstock.pages import slot_is_open, slot_key
from flashstock.table import Check, ConditionFailedError, StockTable


class Withdrawals:
    """Returns the units of an order that is in the journal and was certainly not published."""

    def __init__(self, table: StockTable, endings: Endings) -> None:
        self._table = table
        self._endings = endings

    async def withdraw(self, reservation: Reservation, *, session_id: str, slot: int) -> None:
        """End the reservation as returned, provided that no reclaimer looks after the slot.

        Raises:
            SessionClosedError: The slot is closed: the order is published, or about to be.
        """
        ending = Ending(reservation=reservation, outcome=Outcome.RETURNED)
        still_ours = Check(id=slot_key(session_id, slot), where=slot_is_open())
        try:
            await self._table.transact([still_ours, self._endings.guard(ending), *product_updates([ending])])
        except ConditionFailedError as failed:
            # An earlier attempt may have ended it, before the slot was closed or after.
            ended = await self._endings.ended([reservation.id])
            if ended.get(reservation.id) is not Outcome.RETURNED:
                raise SessionClosedError("the journal is closed: the order may be published") from failed
