"""The processor lets no message go whose reserved units are not sold or returned."""

from collections.abc import Mapping

import pytest
import structlog
from structlog.testing import capture_logs

from flashmsg import Order, OrderPlaced, OrderStatus, Reservation, encode
from flashpay.testing import Reply, sample_reservation
from order_processor.testing import ProcessorHarness

UNITS = {"sneaker": 1}
OWN, OTHER = sample_reservation("own", UNITS), sample_reservation("other", UNITS)


async def shop(**variables: object) -> ProcessorHarness:
    """A processor whose stock has ten sneakers; two of them are reserved."""
    processor = ProcessorHarness(**variables)
    await processor.stock.set_up("sneaker", total=10, reserved=2)
    return processor


async def send(
    processor: ProcessorHarness, order: Order, reservation: Reservation, attributes: Mapping[str, str] | None = None
) -> None:
    await processor.queue.send(encode(OrderPlaced.of(order, reservation=reservation)), attributes=attributes or {})


async def until_empty(processor: ProcessorHarness) -> None:
    await processor.until(lambda: not processor.queue.stored)


@pytest.mark.parametrize(("reply", "level"), [(Reply.APPROVE, (8, 1, 1)), (Reply.DECLINE, (9, 1, 0))])
async def test_paid_units_are_sold_and_declined_ones_returned_once(reply: Reply, level: tuple[int, int, int]) -> None:
    processor = await shop()
    processor.gateway.default = reply
    order = processor.order()
    for _ in range(3):
        await send(processor, order, OWN)
    async with processor.running():
        await until_empty(processor)
    assert await processor.stock.level("sneaker") == level


async def test_of_two_reservations_of_one_order_one_is_sold_and_one_returned() -> None:
    processor = await shop()
    order = processor.order()
    for reservation in (OWN, OTHER):
        await send(processor, order, reservation)
    async with processor.running():
        await until_empty(processor)
    assert await processor.stock.level("sneaker") == (9, 0, 1)


async def test_while_the_stock_does_not_answer_orders_are_paid_and_their_messages_come_back() -> None:
    processor = await shop(breaker_threshold=1)
    processor.stock.unavailable = True
    order = processor.order()
    await send(processor, order, OWN)
    async with processor.running():
        await processor.until(lambda: len(processor.stock.calls) >= 5)
        assert processor.status(order) is OrderStatus.COMPLETED
        assert processor.metric("processor_paused") == 0
        processor.stock.unavailable = False
        await until_empty(processor)
    assert await processor.stock.level("sneaker") == (8, 1, 1)
    assert (len(processor.gateway.requests), processor.dead.stored) == (1, {})
    assert processor.metric("orders_settled_total", status="completed") == 1
    assert processor.metric("processor_order_duration_seconds_count") == 1


async def test_an_order_that_ends_while_the_stock_does_not_answer_is_told_by_one_line() -> None:
    processor = await shop()
    processor.stock.unavailable = True
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await send(processor, processor.order(), OWN)
        async with processor.running():
            await processor.until(lambda: len(processor.stock.calls) >= 2)
            processor.stock.unavailable = False
            await until_empty(processor)
    handled = [(line["outcome"], line.get("settled")) for line in lines if line["event"] == "message_handled"]
    assert handled[0] == ("retry", "completed")
    assert {settled for _, settled in handled[1:]} == {None}
    assert handled[-1][0] == "duplicate"


async def test_on_its_last_receive_a_message_waits_for_the_stock_among_the_dead_letters() -> None:
    processor = await shop(max_receives=2)
    processor.stock.unavailable = True
    order = processor.order()
    await send(processor, order, OWN)
    async with processor.running():
        await until_empty(processor)
        (dead,) = processor.dead.stored.values()
        assert dead.attributes["dead_letter_reason"] == "stock_unavailable"
        assert processor.metric("orders_settled_total", status="completed") == 1
        assert processor.status(order) is OrderStatus.COMPLETED
        processor.stock.unavailable = False
        await processor.queue.send(dead.body, attributes=dead.attributes)
        await until_empty(processor)
    assert await processor.stock.level("sneaker") == (8, 1, 1)
    assert len(processor.dead.stored) == 1
    assert processor.metric("orders_settled_total", status="completed") == 1


async def test_an_order_that_is_given_up_while_the_stock_does_not_answer_is_counted_once() -> None:
    processor = await shop(max_receives=2)
    order = processor.order()
    processor.gateway.for_customers = {order.customer_id: Reply.FAIL}
    processor.stock.unavailable = True
    await send(processor, order, OWN)
    async with processor.running():
        await until_empty(processor)
        assert processor.status(order) is OrderStatus.FAILED
        processor.stock.unavailable = False
        (letter,) = processor.dead.stored.values()
        await processor.queue.send(letter.body, attributes={})
        await until_empty(processor)
    assert processor.metric("orders_settled_total", status="failed") == 1
    assert processor.metric("processor_order_duration_seconds_count") == 0


@pytest.mark.parametrize("left", [True, False])
async def test_a_failed_order_returns_its_units_and_a_redrive_needs_them_again(*, left: bool) -> None:
    processor = await shop(max_receives=2)
    await processor.stock.stock.counters.set_total("sneaker", 2)
    order, dead = processor.order(), processor.dead
    processor.gateway.for_customers = {order.customer_id: Reply.FAIL}
    await send(processor, order, OWN)
    async with processor.running():
        await until_empty(processor)
        assert processor.status(order) is OrderStatus.FAILED
        assert await processor.stock.level("sneaker") == (1, 1, 0)
        if not left:
            await processor.stock.stock.counters.set_total("sneaker", 1)
        processor.gateway.for_customers = {}
        (letter,) = dead.stored.values()
        await processor.queue.send(letter.body, attributes=letter.attributes)
        await until_empty(processor)
    assert await processor.stock.level("sneaker") == ((0, 1, 1) if left else (0, 1, 0))
    status = OrderStatus.COMPLETED if left else OrderStatus.SOLD_OUT
    assert processor.status(order) is status
    assert processor.metric("orders_settled_total", status=status.value) == 1
    assert len(dead.stored) == 1
