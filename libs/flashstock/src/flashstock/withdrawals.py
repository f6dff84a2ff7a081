"""Taking a journaled order back before anybody has seen it."""

from flashmsg import Reservation
from flashstock.endings import Ending, Outcome, ending_guard, product_updates
from flashstock.errors import SessionClosedError, StockError
from flashstock.pages import slot_is_open, slot_key
from flashstock.table import Check, ConditionFailedError, StockTable


class Withdrawals:
    """Returns the units of an order that is in the journal and was certainly not published."""

    def __init__(self, table: StockTable) -> None:
        self._table = table

    async def withdraw(self, reservation: Reservation, *, session_id: str, slot: int) -> None:
        """End the reservation as returned, provided that no reclaimer looks after the slot.

        Raises:
            SessionClosedError: The slot is closed: the order may be published, and may be withdrawn.
            StockError: The counters contradict it: fewer units are reserved.
        """
        ending = Ending(reservation=reservation, outcome=Outcome.RETURNED)
        still_ours = Check(id=slot_key(session_id, slot), where=slot_is_open())
        try:
            await self._table.transact([still_ours, ending_guard(ending), *product_updates([ending])])
        except ConditionFailedError as failed:
            # The slot first: once it is closed, the guard may be that of the order which the reclaimer published.
            if 0 in failed.items:
                raise SessionClosedError("the journal is closed: the order may be published") from failed
            # Nobody but us ends an order of an open slot: an earlier attempt has withdrawn it.
            if 1 not in failed.items:
                raise StockError(f"fewer units are reserved than {reservation.id} holds") from failed
