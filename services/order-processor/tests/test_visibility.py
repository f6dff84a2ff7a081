"""What is being worked stays hidden from everybody else."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from order_processor.metrics import Metrics
from order_processor.queue import EntryFailure
from order_processor.testing import FakeQueue, Rig, loop_time
from order_processor.visibility import VisibilityKeeper

HOUR = 3600


async def test_a_payment_longer_than_the_visibility_is_delivered_once() -> None:
    rig = Rig(workers=15, visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.gateway.latency = timedelta(seconds=25)
    orders = await rig.place(15)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.all_are(orders)
    assert rig.metric("processor_redeliveries_total") == 0
    assert len(rig.gateway.requests) == 15


async def test_a_short_payment_costs_no_extension() -> None:
    rig = Rig()
    rig.gateway.latency = timedelta(seconds=3)
    await rig.place(40)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert rig.queue.changes == []


async def test_an_extension_that_fails_is_tried_again_in_time() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.gateway.latency = timedelta(seconds=25)
    tries = 0

    def refuse_every_other(call: str, _receipt: str) -> bool:
        nonlocal tries
        tries += call == "change_visibility"
        return call == "change_visibility" and tries % 2 == 1

    rig.queue.refuse = refuse_every_other
    await rig.place(1)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert tries > 4
    assert rig.metric("processor_redeliveries_total") == 0


async def test_extensions_go_on_during_the_drain() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.gateway.latency = timedelta(seconds=25)
    orders = await rig.place(3)
    async with rig.running():
        await rig.gateway.until_in_flight(3)
        rig.stop.set()
        await asyncio.sleep(20)
        assert rig.queue.visible() == []
    assert rig.all_are(orders)
    assert rig.queue.stored == {}


async def test_a_message_lost_to_another_consumer_is_counted_and_no_longer_extended() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0, workers=1)
    rig.gateway.latency = timedelta(seconds=25)
    await rig.place(1)
    async with rig.running():
        await rig.gateway.until_in_flight(1)
        rig.queue.stored["m1"].receipt = "m1/elsewhere"
        await rig.until(lambda: rig.metric("processor_visibility_lost_total") == 1)
        seen = len(rig.queue.changes)
        await asyncio.sleep(10)
        assert len(rig.queue.changes) == seen


class LateAnswers(FakeQueue):
    """Deletes at once and says so late."""

    async def delete_batch(self, receipts: Sequence[str]) -> list[EntryFailure]:
        failures = await super().delete_batch(receipts)
        await asyncio.sleep(3)
        return failures


async def test_a_message_that_was_deleted_is_not_lost_while_the_answer_is_on_its_way() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0, workers=10)
    rig.queue = LateAnswers()
    rig.gateway.latency = timedelta(seconds=1.9)
    orders = await rig.place(10)
    async with rig.running():
        await rig.until(lambda: len(rig.queue.deleted) == 10)
        await asyncio.sleep(10)
    assert rig.all_are(orders)
    assert rig.metric("processor_visibility_lost_total") == 0
    assert rig.metric("processor_redeliveries_total") == 0


async def test_an_extension_that_is_due_when_the_work_ends_gives_the_delete_way() -> None:
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0)
    rig.queue.round_trip = timedelta(milliseconds=100)
    rig.gateway.latency = timedelta(seconds=1.9)
    await rig.place(5)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
        await asyncio.sleep(10)
    assert rig.queue.changes == []


async def test_a_message_whose_delete_fails_for_long_stays_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_processor.acks.random.uniform", lambda _low, high: high)
    rig = Rig(visibility_seconds=6, payment_timeout_seconds=28.0, workers=1)
    rig.queue.refuse = lambda call, _receipt: call == "delete" and loop_time() < 15
    rig.gateway.latency = timedelta(seconds=1)
    await rig.place(1)
    async with rig.running():
        await rig.until(lambda: not rig.queue.stored)
    assert loop_time() > 15
    assert rig.metric("processor_redeliveries_total") == 0


async def test_a_long_visibility_is_extended_as_far_as_sqs_allows() -> None:
    rig = Rig(visibility_seconds=10 * HOUR, payment_timeout_seconds=20.0 * HOUR, lease_seconds=21.0 * HOUR, workers=1)
    rig.gateway.latency = timedelta(hours=11.5)
    (order,) = await rig.place(1)
    async with rig.running():
        await asyncio.sleep(11 * HOUR)
        assert rig.queue.visible() == []
        await asyncio.sleep(HOUR)
    assert rig.all_are([order])
    assert rig.queue.stored == {}
    for name in ("visibility_lost", "visibility_limit", "redeliveries"):
        assert rig.metric(f"processor_{name}_total") == 0


@pytest.mark.parametrize("hours", [1, 5, 9, 10, 12])
async def test_work_beyond_what_sqs_can_hide_is_told_once_and_counts_as_no_loss(hours: int) -> None:
    rig = Rig(
        visibility_seconds=hours * HOUR, payment_timeout_seconds=20.0 * HOUR, lease_seconds=21.0 * HOUR, workers=1
    )
    rig.gateway.latency = timedelta(hours=13)
    await rig.place(1)
    with capture_logs() as lines:
        async with rig.running():
            await asyncio.sleep(12 * HOUR - 90)
            assert (rig.queue.visible(), rig.metric("processor_visibility_limit_total")) == ([], 0)
            await asyncio.sleep(60)
            assert rig.metric("processor_visibility_limit_total") == 1
            await asyncio.sleep(HOUR)
    assert rig.metric("processor_visibility_limit_total") == 1
    assert rig.metric("processor_visibility_lost_total") == 0
    told = [line for line in lines if line["event"] == "visibility_limit_reached"]
    assert [line["message_id"] for line in told] == ["m1"]


async def test_a_message_at_its_limit_keeps_no_other_from_being_extended() -> None:
    queue, hour = FakeQueue(), timedelta(hours=1)
    keeper = VisibilityKeeper(queue=queue, visibility=hour, metrics=Metrics(CollectorRegistry()))
    async with asyncio.TaskGroup() as loops:
        loops.create_task(keeper.run())
        for body in ("old", "new"):
            await queue.send(body, attributes={})
            messages = await queue.receive(most=10, wait=timedelta(0), visibility=hour)
            keeper.hold(next(message for message in messages if message.body == body))
            await asyncio.sleep(11.9 * HOUR if body == "new" else 12.1 * HOUR)
        assert "new" not in [stored.body for stored in queue.visible()]
        keeper.close()


async def test_a_hand_back_close_to_the_limit_comes_no_later_than_it() -> None:
    queue, metrics = FakeQueue(), Metrics(CollectorRegistry())
    keeper = VisibilityKeeper(queue=queue, visibility=timedelta(hours=12), metrics=metrics)
    await queue.send("body", attributes={})
    (message,) = await queue.receive(most=1, wait=timedelta(0), visibility=timedelta(hours=12))
    keeper.hold(message)
    async with asyncio.TaskGroup() as loops:
        loops.create_task(keeper.run())
        await asyncio.sleep(12 * HOUR - 120)
        keeper.hand_back(message, after=timedelta(minutes=5))
        await asyncio.sleep(1)
        keeper.close()
    assert [change.after.total_seconds() for change in queue.changes] == [pytest.approx(60, abs=0.01)]
    assert queue.stored["m1"].visible_at == pytest.approx(12 * HOUR - 60, abs=0.01)


async def test_a_hand_back_that_fails_is_tried_again() -> None:
    rig = Rig()
    rig.gateway.hold()
    await rig.place(1)
    refused: list[str] = []

    def refuse_twice(call: str, _receipt: str) -> bool:
        refused.append(call)
        return len(refused) <= 2

    rig.settings = rig.settings.model_copy(update={"drain_seconds": 2.0})
    async with rig.running():
        await rig.gateway.until_in_flight(1)
        rig.queue.refuse = refuse_twice
        rig.stop.set()
    assert refused == ["change_visibility"] * 3
    assert len(rig.queue.visible()) == 1
    assert loop_time() < 5
