"""`DELETE /orders/{order_id}` and its POST form: what a customer is told, and what has become of the order then."""

import asyncio
from datetime import timedelta

import pytest

from flashmsg import OrderStatus
from flashpay import LedgerRefusedError, Settler
from flashpay.testing import Reply
from order_api.app_keys import BOOK
from order_api.order_ids import OrderIds
from order_api.testing import Answer, FakeStock, RunningApi, running_shop

FORMS = [("DELETE", ""), ("POST", "/cancel")]


async def cancel(shop: RunningApi, order_id: str, form: tuple[str, str] = FORMS[0]) -> Answer:
    method, suffix = form
    return await shop.request(method, f"/orders/{order_id}{suffix}")


async def placed(shop: RunningApi, mode: str = "async", *, quantity: int = 2) -> str:
    order_id: str = (await shop.order(mode, quantity=quantity)).json["order_id"]
    return order_id


async def work_off(shop: RunningApi, stock: FakeStock | None = None) -> None:
    """Settle whatever was published, as a processor does."""
    settler = Settler(
        ledger=shop.ledger,
        gateway=shop.gateway,
        stock=None if stock is None else stock.endings,
        limits=None if stock is None else stock.limits,
        owner="worker",
    )
    for event in shop.events:
        await settler.settle(event.data, reservation=event.reservation)


@pytest.mark.parametrize("form", FORMS)
async def test_an_order_that_nobody_has_claimed_is_cancelled_and_never_charged(
    shop: RunningApi, form: tuple[str, str]
) -> None:
    order_id = await placed(shop)
    answer = await cancel(shop, order_id, form)
    assert (answer.status, answer.json["status"], answer.json["order_id"]) == (200, "cancelled", order_id)
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await shop.request("GET", f"/orders/{order_id}")).json == answer.json
    await work_off(shop)
    assert shop.gateway.requests == []
    shown = await shop.request("GET", f"/orders/{order_id}")
    assert (shown.json["status"], shown.json["total_minor"]) == ("cancelled", 500)
    assert (await cancel(shop, order_id, form)).json == shown.json
    assert shop.metric("orders_cancelled_total", status="cancelled") == 2


@pytest.mark.parametrize("form", FORMS)
async def test_a_paid_order_is_paid_back_once(shop: RunningApi, form: tuple[str, str]) -> None:
    order_id = await placed(shop, "sync")
    answer = await cancel(shop, order_id, form)
    assert (answer.status, answer.json["status"]) == (200, "refunded")
    assert answer.json["refund_id"] == "re_000001"
    assert (await cancel(shop, order_id, form)).json == answer.json
    assert (await shop.request("GET", f"/orders/{order_id}")).json == answer.json
    assert shop.refunds.refunded(order_id) == 1
    assert shop.refunds.requests[0].traceparent is not None


async def test_a_refund_that_is_not_certain_is_a_202_and_the_repeat_finishes_it(shop: RunningApi) -> None:
    order_id = await placed(shop, "sync")
    shop.refunds.default = Reply.LOSE
    answer = await cancel(shop, order_id)
    assert (answer.status, answer.json["status"]) == (202, "refunding")
    assert "completed_at" not in answer.json
    shop.refunds.default = Reply.APPROVE
    assert (await cancel(shop, order_id)).json["status"] == "refunded"
    assert shop.refunds.refunded(order_id) == 1
    assert shop.metric("orders_cancelled_total", status="refunding") == 1


async def test_an_order_that_is_being_paid_is_a_409_to_come_back_after(shop: RunningApi) -> None:
    shop.gateway.hold()
    paying = asyncio.create_task(shop.order("sync", headers={"Idempotency-Key": "one"}))
    await shop.gateway.until_in_flight(1)
    (order_id,) = shop.ledger.entries
    answer = await cancel(shop, order_id)
    assert answer.problem == (409, "payment-in-progress")
    assert "Retry-After" in answer.headers
    shop.gateway.let_go()
    assert (await paying).json["status"] == "completed"
    assert (await cancel(shop, order_id)).json["status"] == "refunded"


async def test_a_declined_order_cannot_be_cancelled(shop: RunningApi) -> None:
    shop.gateway.plan(Reply.DECLINE)
    order_id = await placed(shop, "sync")
    answer = await cancel(shop, order_id)
    assert answer.problem == (409, "already-declined")
    assert "Retry-After" not in answer.headers
    assert shop.ledger.entries[order_id].status is OrderStatus.DECLINED


async def test_a_failed_order_cannot_be_cancelled(shop: RunningApi) -> None:
    order_id = await placed(shop)
    await shop.ledger.fail(shop.events[0].data, reason="exhausted")
    assert (await cancel(shop, order_id)).problem == (409, "already-failed")


@pytest.mark.parametrize("order_id", ["ord_" + "a" * 40, "async", "1"])
@pytest.mark.parametrize("form", FORMS)
async def test_an_id_that_is_not_ours_cannot_be_cancelled(
    shop: RunningApi, order_id: str, form: tuple[str, str]
) -> None:
    assert (await cancel(shop, order_id, form)).problem == (404, "unknown-order")
    assert shop.ledger.calls == []


async def test_a_ledger_that_is_down_is_a_503_to_repeat(shop: RunningApi) -> None:
    order_id = await placed(shop, "sync")
    shop.ledger.unavailable = True
    answer = await cancel(shop, order_id)
    assert answer.problem == (503, "ledger-unavailable")
    assert "Retry-After" in answer.headers
    assert shop.refunds.requests == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_ledger_that_hangs_costs_a_cancellation_no_longer_than_the_timeout(
    monkeypatch: pytest.MonkeyPatch, form: tuple[str, str]
) -> None:
    async def hang(_order_id: str) -> None:
        await asyncio.Event().wait()

    async with running_shop(PUBLISH_TIMEOUT_SECONDS="0.05") as shop:
        order_id = await placed(shop)
        monkeypatch.setattr(shop.ledger, "cancel", hang)
        answer = await cancel(shop, order_id, form)
        assert answer.problem == (503, "ledger-unavailable")
        assert "not known whether" in answer.json["errors"][0]["message"]
        assert int(answer.headers["Retry-After"]) >= 1
        assert shop.runner.app[BOOK].outage > timedelta(0)
        monkeypatch.undo()
        assert (await cancel(shop, order_id, form)).json["status"] == "cancelled"
        assert shop.runner.app[BOOK].outage == timedelta(0)


async def test_a_refund_that_hangs_is_a_202_within_the_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(_request: object, **_options: object) -> None:
        await asyncio.Event().wait()

    async with running_shop(PUBLISH_TIMEOUT_SECONDS="0.5", PAYMENT_TIMEOUT_SECONDS="0.5") as shop:
        order_id = await placed(shop, "sync")
        monkeypatch.setattr(shop.refunds, "refund", hang)
        answer = await cancel(shop, order_id)
        assert (answer.status, answer.json["status"]) == (202, "refunding")
        assert shop.runner.app[BOOK].outage == timedelta(0), "it is not the ledger that hangs"
        monkeypatch.undo()
        assert (await cancel(shop, order_id)).json["status"] == "refunded"


async def test_an_entry_that_cannot_be_read_is_a_503_that_claims_nothing(
    shop: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_order: object, **_options: object) -> None:
        raise LedgerRefusedError("not a ledger item", reason="corrupt_entry")

    order_id = await placed(shop)
    for method in ("accept", "cancel", "find", "get"):
        monkeypatch.setattr(shop.ledger, method, refuse)
    answers = [
        await cancel(shop, order_id),
        await cancel(shop, order_id, FORMS[1]),
        await shop.request("GET", f"/orders/{order_id}"),
        await shop.order("async", headers={"Idempotency-Key": "one"}),
    ]
    assert [answer.problem for answer in answers] == [(503, "ledger-unavailable")] * 4
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)
    assert shop.runner.app[BOOK].outage == timedelta(0), "the others can be read"


async def test_a_cancelled_key_stays_cancelled_and_is_not_published_again(shop: RunningApi) -> None:
    key = {"Idempotency-Key": "one"}
    order_id = (await shop.order("async", headers=key)).json["order_id"]
    await cancel(shop, order_id)
    assert (await shop.order("async", headers=key)).json["order_id"] == order_id
    assert len(shop.events) == 1
    assert (await shop.order("sync", headers=key)).json["status"] == "cancelled"
    assert shop.gateway.requests == []


async def test_an_order_of_unknown_outcome_is_certainly_not_placed_once_it_is_cancelled(shop: RunningApi) -> None:
    shop.topic.down = True
    unknown = await shop.order("async", headers={"Idempotency-Key": "one"})
    assert unknown.status == 503
    assert (await cancel(shop, unknown.json["order_id"])).json["status"] == "cancelled"
    shop.topic.down = False
    repeated = await shop.order("async", headers={"Idempotency-Key": "one"})
    assert (repeated.status, shop.events) == (202, [])


async def test_the_units_of_a_cancelled_order_are_for_sale_again(limited_shop: RunningApi, stock: FakeStock) -> None:
    order_id = await placed(limited_shop, quantity=3)
    assert (await cancel(limited_shop, order_id)).json["status"] == "cancelled"
    await work_off(limited_shop, stock)
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (10, 0, 0)


async def test_the_units_of_a_refunded_order_are_for_sale_again(limited_shop: RunningApi, stock: FakeStock) -> None:
    order_id = await placed(limited_shop, "sync", quantity=3)
    assert (await cancel(limited_shop, order_id)).json["status"] == "refunded"
    await limited_shop.runner.cleanup()
    assert await stock.figures("pen") == (10, 0, 0)


async def test_a_customer_who_cancels_may_buy_as_much_again(stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock) as shop:
        order_id = await placed(shop, "sync", quantity=2)
        assert (await shop.order("sync", quantity=1)).problem == (409, "limit-reached")
        await cancel(shop, order_id)
        assert (await shop.order("sync", quantity=2)).status == 200


async def test_where_orders_expire_one_without_an_entry_is_not_called_cancelled() -> None:
    async with running_shop(ORDER_RETENTION_DAYS="30") as shop:
        waiting, expired = await placed(shop), await placed(shop, "sync")
        del shop.ledger.entries[expired]
        for order_id in (waiting, expired):
            answer = await cancel(shop, order_id)
            assert answer.problem == (409, "not-taken-up")
            assert int(answer.headers["Retry-After"]) >= 1
            assert (await shop.request("GET", f"/orders/{order_id}")).json["status"] == "pending"
        await work_off(shop)
        assert (await cancel(shop, waiting)).json["status"] == "refunded"


async def test_where_orders_expire_one_with_a_key_is_cancelled_while_it_waits() -> None:
    async with running_shop(ORDER_RETENTION_DAYS="30") as shop:
        order_id = (await shop.order("async", headers={"Idempotency-Key": "basket"})).json["order_id"]
        assert (await cancel(shop, order_id)).json["status"] == "cancelled"
        await work_off(shop)
        assert shop.gateway.requests == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_cancellation_that_is_refused_is_no_order_that_is_refused(
    shop: RunningApi, form: tuple[str, str]
) -> None:
    shop.gateway.default = Reply.DECLINE
    assert (await cancel(shop, await placed(shop, "sync"), form)).status == 409
    assert (await cancel(shop, "ord_nothing", form)).status == 404
    assert "orders_rejected_total{" not in (await shop.ask("/metrics")).body.decode()


@pytest.mark.parametrize("mode", ["async", "sync"])
async def test_a_key_whose_order_was_cancelled_before_the_secret_was_exchanged_places_no_other(mode: str) -> None:
    previous, key = "p" * 40, "basket-1"
    (earlier,) = OrderIds(secret=previous.encode()).candidates(customer_id=1, idempotency_key=key)
    async with running_shop(ORDER_ID_SECRET_PREVIOUS=previous) as shop:
        # Its answer was lost, and its receipt had the id.
        assert (await cancel(shop, earlier)).json["status"] == "cancelled"
        answer = await shop.order(mode, headers={"Idempotency-Key": key})
        assert answer.json["order_id"] == earlier
        await work_off(shop)
        assert shop.gateway.requests == []
        assert (await shop.request("GET", f"/orders/{earlier}")).json["status"] == "cancelled"
