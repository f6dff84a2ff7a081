"""One order of limited products, from its intake to its end."""

from flashbus.publisher import GroupCommitPublisher, PublishError
from flashbus.topic import Entry
from flashmsg import ORDER_PLACED_TYPE, Order, OrderPlaced, encode
from flashstock.endings import Ending, Outcome
from flashstock.seller import Seller
from flashstock.settlement_writer import SettlementWriter

ATTRIBUTES = {"type": ORDER_PLACED_TYPE}


async def place(order: Order, seller: Seller, publisher: GroupCommitPublisher) -> None:
    """Accept an order; raises SoldOutError, and whatever else keeps it from being accepted."""
    hold = await seller.reserve({line.product_id: line.quantity for line in order.items})
    body = encode(OrderPlaced.of(order, reservation=hold.reservation))
    await hold.commit(body, ATTRIBUTES)
    try:
        await publisher.publish(Entry(body, ATTRIBUTES))
    except PublishError as error:
        if error.certain:
            await hold.withdraw()
        else:
            hold.doubt()
        raise
    except BaseException:
        hold.doubt()
        raise
    hold.published()


async def end(event: OrderPlaced, writer: SettlementWriter, *, paid: bool) -> None:
    """After the order is recorded, and before its message is acknowledged."""
    if event.reservation is not None:
        await writer.settle(Ending(reservation=event.reservation, outcome=Outcome.SOLD if paid else Outcome.RETURNED))
