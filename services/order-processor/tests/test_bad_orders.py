"""A bad order ends in the dead letters with its reason, and many of them stop nobody for long."""

import asyncio

import pytest

from flashmsg import Order, OrderPlaced, OrderStatus, encode
from flashpay.testing import Reply
from order_processor.testing import ProcessorHarness, StoredMessage, loop_time
from order_processor.testing.bad_orders import BAD, HOUR, harness_of, place_bad, seconds_to_complete, waits

pytestmark = pytest.mark.long

# Nothing but a redrive can help these; a slow one is completed like any other.
REASONS = {
    "fails": "exhausted",
    "fails late": "exhausted",
    "hangs": "exhausted",
    "refused": "key_reused",
    "ledger item": "exhausted",
}


def dead_letter_of(processor: ProcessorHarness, order: Order) -> StoredMessage:
    (found,) = (stored for stored in processor.dead.stored.values() if order.order_id in stored.body)
    return found


@pytest.mark.parametrize("kind", sorted(REASONS))
async def test_the_bad_one_ends_in_the_dead_letters_within_its_receives(kind: str) -> None:
    processor = harness_of(workers=4, max_receives=8)
    (bad,) = await place_bad(processor, kind)
    async with processor.running():
        while not processor.dead.stored and loop_time() < HOUR:
            await processor.place()
            await asyncio.sleep(10)
    dead = dead_letter_of(processor, bad)
    assert dead.attributes["dead_letter_reason"] == REASONS[kind]
    assert int(dead.attributes["dead_letter_receives"]) <= 8
    # What may be in flight is never failed, and what the ledger cannot be told is not either.
    known = {"fails": OrderStatus.FAILED, "refused": OrderStatus.FAILED, "hangs": OrderStatus.PROCESSING}
    known["fails late"] = OrderStatus.FAILED
    assert processor.status(bad) is known.get(kind, OrderStatus.PENDING)


@pytest.mark.parametrize("kind", ["fails", "ledger item"])
async def test_a_fifth_of_all_orders_being_bad_stops_nobody_for_ten_hours(kind: str) -> None:
    processor = harness_of(workers=20)
    good: list[Order] = []
    bad: list[Order] = []
    async with processor.running():
        while loop_time() < 10 * HOUR:
            bad += await place_bad(processor, kind)
            for _ in range(4):
                await asyncio.sleep(60)
                good += await processor.place()
            await asyncio.sleep(60)
    assert max(waits(processor, good)) < 30
    assert processor.dead.stored
    assert not any(processor.status(order) is OrderStatus.COMPLETED for order in bad)


@pytest.mark.parametrize("kind", ["fails", "fails late", "hangs", "ledger item"])
async def test_bad_orders_on_every_slot_make_room_in_the_end(kind: str) -> None:
    processor = harness_of(workers=4)
    await place_bad(processor, kind, 10)
    good = await processor.place(20)
    async with processor.running():
        seconds = await seconds_to_complete(processor, good)
    # Late ones take five minutes as a rule, and up to fifteen where those in the slots are all in flight at once.
    assert seconds < {"hangs": 3 * HOUR, "fails late": HOUR / 3}.get(kind, 600)


async def test_a_failed_order_whose_dead_letter_was_refused_is_dead_lettered_at_last() -> None:
    processor = ProcessorHarness(max_receives=3)
    processor.gateway.for_customers[BAD] = Reply.FAIL
    processor.dead.unavailable = True
    (order,) = await processor.place(customer_id=BAD)
    async with processor.running():
        while processor.status(order) is not OrderStatus.FAILED:  # noqa: ASYNC110 - as above
            await asyncio.sleep(1)
        await asyncio.sleep(60)
        assert len(processor.queue.stored) == 1
        processor.dead.unavailable = False
        await asyncio.sleep(HOUR)
    assert dead_letter_of(processor, order).attributes["dead_letter_reason"] == "exhausted"
    assert not processor.queue.stored
    assert processor.metric("orders_settled_total", status="failed") == 1


async def test_another_content_under_the_id_is_a_mismatch_also_when_it_is_given_up() -> None:
    processor = ProcessorHarness(max_receives=2)
    (order,) = await processor.place()
    other = order.model_copy(update={"customer_id": BAD})
    async with processor.running():
        await asyncio.sleep(1)
        assert processor.status(order) is OrderStatus.COMPLETED
        await processor.queue.send(encode(OrderPlaced.of(other)), attributes={"dead_letter_reason": "exhausted"})
        await asyncio.sleep(1)
    assert processor.metric("processor_messages_total", outcome="mismatch") == 1
    assert not processor.dead.stored
