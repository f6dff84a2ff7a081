"""A process of the API that dies, and never says that it has gone."""

from datetime import UTC, datetime, timedelta
from typing import Self

from flashmsg import Order, OrderPlaced, PricedLine, encode
from flashstock.hold import Hold
from flashstock.pages import JournalEntry
from flashstock.seller import Seller
from order_api.limited_sale import CUSTOMER_LIMITS
from order_api.order_ids import OrderIds
from order_api.testing.harness import SECRET
from order_api.testing.stock import FakeStock

_IDS = OrderIds(secret=SECRET.encode())


def order_of(customer_id: int, *, quantity: int = 2) -> Order:
    """The customer's order of pens under the key `basket-1`."""
    return Order(
        order_id=_IDS.candidates(customer_id=customer_id, idempotency_key="basket-1")[0],
        customer_id=customer_id,
        items=(PricedLine(product_id="pen", quantity=quantity, unit_price_minor=250),),
        currency="EUR",
        total_minor=250 * quantity,
        created_at=datetime.now(UTC),
    )


class DeadProcess:
    """Sells like a process of the API until it dies; it never says that it has gone."""

    def __init__(self, stock: FakeStock) -> None:
        """Take the stock that it sells."""
        self._seller = Seller(
            stock=stock, publish_again=self._never, owner="dead", lease=timedelta(seconds=3600), slots=4
        )

    async def __aenter__(self) -> Self:
        await self._seller.__aenter__()
        return self

    async def __aexit__(self, *_arguments: object) -> None:
        # Nothing of it runs on, and nothing is written any more: session, leases and pages stay in the table.
        for task in self._seller._tasks:  # noqa: SLF001 - it dies in the middle of things
            task.cancel()
        session = self._seller._session  # noqa: SLF001 - the same
        if session is not None:
            await session.stop()

    async def journal(self, order: Order, *, limits: str | None = None) -> Hold:
        """Journal an order, and neither count nor write down nor publish it."""
        hold = await self.reserve(order.items[0].quantity)
        event = OrderPlaced.of(order, reservation=hold.reservation)
        await hold.commit(encode(event), {"type": event.type} | ({CUSTOMER_LIMITS: limits} if limits else {}))
        return hold

    async def reserve(self, units: int) -> Hold:
        """Hold units in memory."""
        return await self._seller.reserve({"pen": units})

    async def _never(self, _entry: JournalEntry) -> None:
        raise AssertionError("it is dead")
