"""Looking a charge up by its key, and what may go wrong for single customers."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pydantic import ValidationError

from payment_gateway.behaviour import Behaviour, lookup_fails
from payment_gateway.charge_store import ChargeStore
from payment_gateway.provider import Provider

Client = TestClient[web.Request, web.Application]
MakeBehaviour = Callable[..., Behaviour]


async def charge(client: Client, key: str = "k1", *, customer_id: int = 42) -> tuple[int, dict[str, Any]]:
    body = {"order_id": "ord_1", "amount_minor": 1999, "currency": "USD", "customer_id": customer_id}
    async with client.post("/v1/charges", json=body, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.json(content_type=None)


async def lookup(client: Client, key: str = "k1") -> tuple[int, dict[str, Any], dict[str, str]]:
    async with client.get(f"/v1/charges/{key}") as answer:
        return answer.status, await answer.json(content_type=None), dict(answer.headers)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the provider sets no event for tests
            await asyncio.sleep(0.002)


async def test_an_unknown_key_is_told_in_words_that_no_proxy_uses(client: Client) -> None:
    status, body, headers = await lookup(client)
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert (body["type"], body["idempotency_key"]) == ("urn:flash-sale:charge-unknown", "k1")
    assert (body["title"], body["status"]) == ("No such charge", 404)
    assert body["detail"] == "There is no charge under this key, and none is in flight"
    # A copy of it, told after the charge was made, would have the customer charged again.
    assert headers["Cache-Control"] == "no-store"


async def test_another_unknown_path_is_no_such_word(client: Client) -> None:
    async with client.get("/v1/charges/") as answer:
        assert answer.status == 404
        assert (await answer.json(content_type=None))["type"] == "about:blank"


@pytest.mark.parametrize(("decline_rate", "status"), [(0, 200), (1, 402)])
async def test_an_answer_is_repeated_and_the_lookup_is_no_attempt(
    client: Client,
    provider: Provider,
    store: ChargeStore,
    make_behaviour: MakeBehaviour,
    decline_rate: int,
    status: int,
) -> None:
    provider.behave(make_behaviour(decline_rate=decline_rate))
    _, first = await charge(client)
    attempts = store.totals().attempts
    assert (await lookup(client))[:2] == (status, first)
    assert store.totals().attempts == attempts


async def test_a_charge_in_flight_is_told_with_when_to_ask_again(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(latency_seconds=3600))
    stuck = asyncio.create_task(charge(client))
    await until(lambda: provider.admission.in_flight == 1)
    status, body, headers = await lookup(client)
    assert (status, headers["Retry-After"]) == (409, "1")
    assert (body["title"], body["detail"]) == ("In flight", "The charge is in flight")
    stuck.cancel()


async def test_a_failed_attempt_leaves_the_key_unknown(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(failing_customers=(42,)))
    assert (await charge(client))[0] == 500
    assert (await lookup(client))[0] == 404
    assert (await charge(client, "k2", customer_id=43))[0] == 200


async def test_a_key_is_kept_for_so_long_and_then_charges_again(
    client: Client, provider: Provider, store: ChargeStore, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(key_seconds=3600))
    _, first = await charge(client)
    assert (await charge(client))[1] == first
    provider.behave(make_behaviour(key_seconds=1e-6))
    assert (await lookup(client))[1] == first
    assert (await charge(client))[1] != first
    assert store.totals().orders_charged_more_than_once == 1


async def test_lookups_fail_as_often_as_attempts(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    await charge(client)
    await lookup(client)
    assert not provider._lookups, "where none fails none is counted"
    provider.behave(make_behaviour(failure_rate=1))
    status, body, _ = await lookup(client)
    assert (status, body["detail"]) == (500, "An injected failure; nothing was looked up")
    some = make_behaviour(failure_rate=0.3)
    failed = [lookup_fails(some, key="k", number=number) for number in range(4000)]
    assert sum(failed) / 4000 == pytest.approx(0.3, abs=0.03)
    provider.behave(some)
    assert {(await lookup(client))[0] for _ in range(40)} == {200, 500}


async def test_a_customer_whose_charges_hang_keeps_nobody_else_waiting(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(hanging_customers=(42,), capacity=1))
    hanging = asyncio.create_task(charge(client))
    await asyncio.sleep(0.05)
    assert (await charge(client, "k2", customer_id=43))[0] == 200
    assert (await lookup(client))[0] == 409
    provider.stop()
    status, body = await hanging
    assert (status, body["title"], body["detail"]) == (503, "Admission timeout", "The gateway is stopping")


async def test_a_slow_customer_takes_its_own_time(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(slow_customers=(42,), slow_seconds=0.2))
    started = time.monotonic()
    assert (await charge(client, "k2", customer_id=43))[0] == 200
    assert time.monotonic() - started < 0.15
    assert (await charge(client))[0] == 200
    assert time.monotonic() - started >= 0.2


async def test_customers_are_set_through_the_admin(client: Client) -> None:
    async with client.patch("/admin/behaviour", json={"failing_customers": [42]}) as answer:
        assert (await answer.json())["failing_customers"] == [42]
    assert (await charge(client))[0] == 500
    async with client.patch("/admin/behaviour", json={"failing_customers": [0]}) as answer:
        assert answer.status == 422
        assert (await answer.json(content_type=None))["errors"][0]["pointer"] == "/failing_customers/0"


def test_a_behaviour_cannot_be_changed_behind_its_owners_back(make_behaviour: MakeBehaviour) -> None:
    assert make_behaviour(failing_customers=[1]).failing_customers == (1,)
    with pytest.raises(ValidationError):
        make_behaviour(failing_customers=list(range(1, 1002)))


async def test_lookups_are_counted(client: Client) -> None:
    await lookup(client)
    async with client.get("/metrics") as answer:
        assert 'gateway_lookups_total{outcome="unknown"} 1.0' in await answer.text()


async def test_a_lookup_in_a_broken_charge_store_is_unavailable(client: Client, store: ChargeStore) -> None:
    store.close()
    status, body, _ = await lookup(client)
    assert (status, body["title"]) == (503, "Charge store unavailable")
