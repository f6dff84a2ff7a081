"""Paying a charge back: once per key, with the faults of charges, and never more than was asked for."""

from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient

from payment_gateway.behaviour import Behaviour
from payment_gateway.charge_store import ChargeStore
from payment_gateway.provider import Provider

Client = TestClient[web.Request, web.Application]
Answer = tuple[int, dict[str, Any]]
ORDER = {"order_id": "ord_1", "amount_minor": 1999, "currency": "USD", "customer_id": 42}


async def post(client: Client, kind: str, key: str, body: dict[str, Any]) -> Answer:
    async with client.post(f"/v1/{kind}", json=body, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.json(content_type=None)


async def charged(client: Client) -> dict[str, Any]:
    """The refund that is right for a charge just made."""
    _, receipt = await post(client, "charges", "ord_1", ORDER)
    return ORDER | {"charge_id": receipt["charge_id"]}


async def looked_up(client: Client, kind: str, key: str) -> Answer:
    async with client.get(f"/v1/{kind}/{key}") as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_charge_is_paid_back_once_per_key(client: Client, store: ChargeStore) -> None:
    refund = await charged(client)
    status, receipt = await post(client, "refunds", "refund-ord_1", refund)
    assert (status, receipt["status"], receipt["amount_minor"]) == (200, "refunded", 1999)
    assert receipt["refund_id"].startswith("re_")
    assert await post(client, "refunds", "refund-ord_1", refund) == (200, receipt)
    totals = store.totals()
    assert (totals.charges, totals.refunds, totals.orders_refunded_more_than_once) == (1, 1, 0)


async def test_another_key_pays_back_twice_and_the_totals_show_it(client: Client, store: ChargeStore) -> None:
    refund = await charged(client)
    for key in ("refund-1", "refund-2"):
        assert (await post(client, "refunds", key, refund))[0] == 200
    assert store.totals().orders_refunded_more_than_once == 1


@pytest.mark.parametrize(
    "change",
    [
        {"charge_id": "ch_0"},
        {"amount_minor": 1998},
        {"order_id": "ord_2"},
        {"currency": "EUR"},
        {"customer_id": 43},
    ],
)
async def test_what_was_not_charged_like_this_is_not_paid_back(
    client: Client, store: ChargeStore, change: dict[str, Any]
) -> None:
    refund = await charged(client)
    status, problem = await post(client, "refunds", "refund-ord_1", refund | change)
    assert (status, problem["title"]) == (400, "Charge unknown")
    assert problem["detail"] == "There is no charge of this id, order, customer and amount"
    assert store.totals().refunds == 0


async def test_a_lookup_tells_refunds_from_charges(client: Client) -> None:
    refund = await charged(client)
    status, problem = await looked_up(client, "refunds", "refund-ord_1")
    assert (status, problem["type"]) == (404, "urn:flash-sale:refund-unknown")
    answer = await post(client, "refunds", "refund-ord_1", refund)
    assert await looked_up(client, "refunds", "refund-ord_1") == answer
    assert (await looked_up(client, "charges", "refund-ord_1"))[0] == 404
    assert (await looked_up(client, "refunds", "ord_1"))[0] == 404


async def test_a_refund_fails_as_charges_do_but_is_never_declined(
    client: Client, provider: Provider, store: ChargeStore, make_behaviour: Callable[..., Behaviour]
) -> None:
    refund = await charged(client)
    provider.behave(make_behaviour(failure_rate=1))
    assert (await post(client, "refunds", "refund-ord_1", refund))[0] == 500
    provider.behave(make_behaviour(lost_reply_rate=1, decline_rate=1))
    with pytest.raises(ClientError):
        await post(client, "refunds", "refund-ord_1", refund)
    assert store.totals().refunds == 1
    assert (await post(client, "refunds", "refund-ord_1", refund))[0] == 200
