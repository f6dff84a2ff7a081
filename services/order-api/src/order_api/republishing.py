"""Publishes orders of the journal again: for this process's own doubts, and for what a dead one had journaled."""

import json

from flashbus.publisher import GroupCommitPublisher
from flashbus.topic import Entry
from flashmsg import Order, decode
from flashpay import Ledger, LedgerEntry
from flashpay.reservations import Reservations, endings
from flashstock.endings import Ending, Outcome
from flashstock.errors import LimitReachedError
from flashstock.pages import JournalEntry
from flashstock.stock import Stock
from order_api.limited_sale import CUSTOMER_LIMITS, count_purchase


class Republisher:
    """Brings a journaled order as far as its request would have: checked like there, then published with certainty.

    Args:
        ledger: Decides which reservation is an order's own.
        stock: Counts purchases, and ends reservations that are for nobody.
        publisher: Publishes.
    """

    def __init__(self, *, ledger: Ledger, stock: Stock, publisher: GroupCommitPublisher) -> None:
        self._ledger = ledger
        self._stock = stock
        self._publisher = publisher
        self._reservations = Reservations(stock=stock.endings, limits=stock.limits)

    async def publish_again(self, journaled: JournalEntry) -> None:
        """Publish the order, or return its units if it may not be placed or is over; raises when neither is certain."""
        order = decode(journaled.body).data
        entry = await self._ledger.get(order.order_id) or await self._admitted(order, journaled)
        if entry is None:
            await self._stock.endings.settle([Ending(reservation=journaled.reservation, outcome=Outcome.RETURNED)])
        elif found := endings(entry, journaled.reservation):
            await self._reservations.end(found, entry, settled=False)
            if entry.fingerprint != order.fingerprint:
                await self._count_as_it_stands(entry, journaled)
        else:
            await self._publish(journaled)

    async def _admitted(self, order: Order, journaled: JournalEntry) -> LedgerEntry | None:
        # At the limits of its intake: one that was lowered since must not refuse an order that was accepted.
        try:
            limits = json.loads(journaled.attributes.get(CUSTOMER_LIMITS, "{}"))
            await count_purchase(self._stock.limits, order, limits)
        except LimitReachedError:
            return None
        return (await self._ledger.accept(order, reservation=journaled.reservation)).entry

    async def _count_as_it_stands(self, entry: LedgerEntry, journaled: JournalEntry) -> None:
        """What a request of other content had counted under the key of an order is no part of that order."""
        stands = {line.product_id: line.quantity for line in entry.items}
        for product_id in journaled.reservation.units:
            await self._stock.limits.release(
                product_id,
                customer_id=entry.customer_id,
                order_id=entry.order_id,
                down_to=stands.get(product_id, 0),
            )

    async def _publish(self, journaled: JournalEntry) -> None:
        attributes = {name: value for name, value in journaled.attributes.items() if name != CUSTOMER_LIMITS}
        await self._publisher.publish(Entry(journaled.body, attributes))
