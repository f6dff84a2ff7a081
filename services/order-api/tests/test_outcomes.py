"""Orders that are settled in a request are told of like any other, and no customer waits for it."""

from flashpay.testing import FakeOutcomes, Reply
from order_api.testing import running_shop, wait_until


async def test_a_sync_order_is_told_after_its_customer() -> None:
    outcomes = FakeOutcomes()
    outcomes.gate.clear()
    async with running_shop(outcomes=outcomes) as shop:
        shop.gateway.plan(Reply.DECLINE)
        answers = [await shop.order("sync") for _ in range(2)]
        assert outcomes.published == []
        outcomes.gate.set()
        await wait_until(lambda: shop.metric("outcome_events_total", result="told") == 2)
    assert sorted(outcomes.told) == sorted(answer.json["status"] for answer in answers) == ["completed", "declined"]
    assert {outcome.subject for outcome, _ in outcomes.published} == {answer.json["order_id"] for answer in answers}


async def test_a_sync_order_is_answered_while_nobody_can_be_told() -> None:
    outcomes = FakeOutcomes()
    outcomes.down = True
    async with running_shop(outcomes=outcomes) as shop:
        answer = await shop.order("sync")
        await wait_until(lambda: shop.metric("outcome_events_total", result="owed") == 1)
        assert (answer.status, answer.json["status"]) == (200, "completed")
        assert shop.ledger.entries[answer.json["order_id"]].event_owed


async def test_a_cancellation_and_a_refund_are_told() -> None:
    outcomes = FakeOutcomes()
    async with running_shop(outcomes=outcomes) as shop:
        paid = (await shop.order("sync")).json["order_id"]
        await wait_until(lambda: outcomes.told == ["completed"])
        await shop.request("DELETE", f"/orders/{paid}")
        await wait_until(lambda: outcomes.told[1:] == ["refunded"])
        keyed = (await shop.order("async", headers={"Idempotency-Key": "one"})).json["order_id"]
        for _ in range(2):
            await shop.request("DELETE", f"/orders/{keyed}")
        await wait_until(lambda: outcomes.told[2:] == ["cancelled"])
        assert not shop.ledger.entries[paid].event_owed
