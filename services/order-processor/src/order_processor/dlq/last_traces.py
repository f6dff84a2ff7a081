"""What a discarded letter leaves behind: an order that nobody else may know of, and units that are reserved for it."""

from dataclasses import dataclass

from flashmsg import OrderPlaced
from flashpay import Ledger, Reservations
from flashpay.reservations import endings

DISCARDED = "discarded"


@dataclass(frozen=True, kw_only=True)
class LastTraces:
    """Ends what nobody could end once its letter is gone.

    Attributes:
        ledger: Knows the orders that somebody accepted or claimed: what is open there is found by the reconciler.
        reservations: Where units are given back, or sold.
    """

    ledger: Ledger
    reservations: Reservations

    async def is_last(self, event: OrderPlaced) -> bool:
        """Whether the ledger has never met an order, so that `end` would fail it; nothing is changed.

        Raises:
            FlashpayError: Not known.
        """
        return await self.ledger.get(event.data.order_id) is None

    async def end(self, event: OrderPlaced) -> None:
        """Fail an order that the ledger has never met, and end the units of a letter as the ledger says.

        Who is owed the news hears it of the reconciler.

        Raises:
            FlashpayError: Not done, or not known. Asked again, what is done is left alone.
        """
        order, reservation = event.data, event.reservation
        entry = await self.ledger.get(order.order_id)
        if entry is None:
            # Nobody has claimed it, so nobody has charged it; whoever claims it in this moment goes on with it.
            entry = await self.ledger.fail(order, reason=DISCARDED, attempt=0, reservation=reservation)
        if found := endings(entry, reservation):
            await self.reservations.end(found, entry, settled=False)
