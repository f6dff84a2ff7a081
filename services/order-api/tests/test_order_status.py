import pytest

from flashpay.testing import Reply
from order_api.order_ids import OrderIds
from order_api.testing import RunningApi, running_shop


async def test_an_order_of_ours_that_the_ledger_does_not_know_is_pending(shop: RunningApi) -> None:
    accepted = await shop.order("async")
    answer = await shop.request("GET", accepted.headers["Location"])
    assert answer.status == 200
    assert answer.json == {"order_id": accepted.json["order_id"], "status": "pending"}
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_settled_order_is_shown_as_the_ledger_has_it(shop: RunningApi) -> None:
    settled = await shop.order("sync", quantity=2)
    answer = await shop.request("GET", f"/orders/{settled.json['order_id']}")
    assert answer.json == settled.json
    assert answer.json["items"] == [{"product_id": "pen", "quantity": 2, "unit_price_minor": 250}]
    assert answer.json["created_at"].endswith("Z")


async def test_a_declined_order_says_why(shop: RunningApi) -> None:
    shop.gateway.plan(Reply.DECLINE)
    settled = await shop.order("sync")
    answer = await shop.request("GET", f"/orders/{settled.json['order_id']}")
    assert (answer.json["status"], answer.json["reason"]) == ("declined", "card_declined")
    assert "charge_id" not in answer.json


@pytest.mark.parametrize(
    "order_id",
    ["ord_" + "a" * 40, "1", "ord_", "%00", "ord_" + "A" * 40, "ord_%C3%A9", "x" * 3_000, "sync", "async"],
)
async def test_an_id_that_is_not_ours_does_not_exist(shop: RunningApi, order_id: str) -> None:
    answer = await shop.request("GET", f"/orders/{order_id}")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert shop.ledger.calls == []


async def test_an_id_of_another_shop_does_not_exist(shop: RunningApi) -> None:
    foreign = OrderIds(secret=b"x" * 32).candidates(customer_id=1, idempotency_key="k")[0]
    answer = await shop.request("GET", f"/orders/{foreign}")
    assert (answer.status, answer.fields) == (404, ["order_id"])


async def test_an_order_of_before_the_secret_was_exchanged_is_still_found() -> None:
    before = OrderIds(secret=b"x" * 32).candidates(customer_id=1, idempotency_key="k")[0]
    async with running_shop(ORDER_ID_SECRET_PREVIOUS="x" * 32) as shop:
        answer = await shop.request("GET", f"/orders/{before}")
        assert (answer.status, answer.json["status"]) == (200, "pending")
        # What is new is issued under the new secret alone.
        accepted = await shop.order("async")
        assert shop.ids.owns(accepted.json["order_id"])


async def test_a_ledger_that_is_down_is_a_503_to_repeat(shop: RunningApi) -> None:
    accepted = await shop.order("async")
    shop.ledger.unavailable = True
    answer = await shop.request("GET", accepted.headers["Location"])
    assert answer.status == 503
    assert "Retry-After" in answer.headers
    assert answer.fields == ["order_id"]
