import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pydantic import ValidationError

from payment_gateway.admin import PageQuery
from payment_gateway.behaviour import Behaviour
from payment_gateway.provider import Provider

Client = TestClient[web.Request, web.Application]


async def charge(client: Client, number: int) -> int:
    body = {"order_id": f"ord_{number}", "amount_minor": 100, "currency": "USD", "customer_id": 1}
    async with client.post("/v1/charges", json=body, headers={"Idempotency-Key": f"k{number}"}) as answer:
        return answer.status


async def fetched(client: Client, path: str) -> dict[str, Any]:
    async with client.get(path) as answer:
        assert answer.status == 200
        return dict(await answer.json())


async def test_behaviour_changes_at_run_time(client: Client) -> None:
    before = await fetched(client, "/admin/behaviour")
    async with client.patch("/admin/behaviour", json={"decline_rate": 1, "capacity": 5}) as answer:
        assert answer.status == 200
        changed = await answer.json()
    assert changed == before | {"decline_rate": 1, "capacity": 5}
    assert await fetched(client, "/admin/behaviour") == changed
    assert await charge(client, 1) == 402


async def test_more_capacity_admits_waiting_charges(
    client: Client, provider: Provider, make_behaviour: Callable[..., Behaviour]
) -> None:
    provider.behave(make_behaviour(capacity=1, latency_seconds=0.3))
    tasks = [asyncio.create_task(charge(client, n)) for n in range(3)]
    async with asyncio.timeout(5):
        while (await fetched(client, "/admin/summary"))["waiting"] < 2:
            pass
    async with client.patch("/admin/behaviour", json={"capacity": 0}):
        assert (await fetched(client, "/admin/summary"))["in_flight"] == 3
    assert await asyncio.gather(*tasks) == [200, 200, 200]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"decline_rate": 1.5}', "/decline_rate"),
        (b'{"failure_rate": -0.1}', "/failure_rate"),
        (b'{"latency_seconds": NaN}', "/latency_seconds"),
        (b'{"latency_seconds": Infinity}', "/latency_seconds"),
        (b'{"latency_seconds": "1"}', "/latency_seconds"),
        (b'{"latency_seconds": 3600.5}', "/latency_seconds"),
        (b'{"latency_seconds": null}', "/latency_seconds"),
        (b'{"capacity": 1.5}', "/capacity"),
        (b'{"capacity": -1}', "/capacity"),
        (b'{"capacity": true}', "/capacity"),
        (b'{"queue_timeout_seconds": 1e9}', "/queue_timeout_seconds"),
        (b'{"seed": -1}', "/seed"),
        (b'{"latency": 1}', "/latency"),
        (b"[]", ""),
    ],
)
async def test_a_wrong_field_is_a_422_that_names_it_and_changes_nothing(
    client: Client, body: bytes, field: str
) -> None:
    before = await fetched(client, "/admin/behaviour")
    async with client.patch("/admin/behaviour", data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 422
        assert [error["pointer"] for error in (await answer.json(content_type=None))["errors"]] == [field]
    assert await fetched(client, "/admin/behaviour") == before


@pytest.mark.parametrize("field", ["latency_seconds", "decline_rate"])
async def test_what_is_no_finite_number_is_called_so(client: Client, field: str) -> None:
    body = f'{{"{field}": NaN}}'.encode()
    async with client.patch("/admin/behaviour", data=body, headers={"Content-Type": "application/json"}) as answer:
        told = await answer.json(content_type=None)
    assert (told["title"], told["errors"]) == (
        "Invalid request",
        [{"pointer": f"/{field}", "detail": "Input should be a finite number"}],
    )


async def test_of_many_faults_twenty_are_told_with_their_names_escaped(client: Client) -> None:
    async with client.patch("/admin/behaviour", json={f"a/~{number}": 1 for number in range(21)}) as answer:
        told = await answer.json(content_type=None)
    assert [error["pointer"] for error in told["errors"]] == [f"/a~1~0{number}" for number in range(20)]


async def test_what_is_no_json_is_a_400(client: Client) -> None:
    async with client.patch("/admin/behaviour", data=b"{", headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 400


async def test_every_charge_is_listed_once_over_the_pages(client: Client) -> None:
    for number in range(5):
        await charge(client, number)
    seen: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = await fetched(client, f"/admin/charges?after={after}&limit=2")
        seen += page["charges"]
        after = page["next"]
    assert [row["order_id"] for row in seen] == [f"ord_{n}" for n in range(5)]
    first = seen[0]
    assert (first["idempotency_key"], first["status"], first["amount_minor"], first["attempts"]) == (
        "k0",
        "succeeded",
        100,
        1,
    )
    assert 0 < first["started_at"] <= first["finished_at"]
    assert (await fetched(client, "/admin/charges?limit=5"))["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=-1", "after=9223372036854775808", "page=1"]
)
async def test_a_wrong_query_is_a_422(client: Client, query: str) -> None:
    async with client.get(f"/admin/charges?{query}") as answer:
        assert answer.status == 422
        pointer = (await answer.json(content_type=None))["errors"][0]["pointer"]
    assert pointer == f"/{query.split('=', maxsplit=1)[0]}"


async def test_a_query_may_ask_for_a_thousand_charges_and_begin_behind_the_last(client: Client) -> None:
    await charge(client, 1)
    page = await fetched(client, "/admin/charges?limit=1000&after=9223372036854775807")
    assert page == {"charges": [], "next": None}


def test_a_query_asks_for_the_first_hundred_and_stays_as_it_was_read() -> None:
    query = PageQuery()
    assert (query.after, query.limit) == (0, 100)
    with pytest.raises(ValidationError, match="frozen"):
        query.limit = 1  # type: ignore[misc]


async def test_the_summary_adds_up(client: Client) -> None:
    for number in (1, 1, 2):
        await charge(client, number)
    assert await fetched(client, "/admin/summary") == {
        "charges": 2,
        "declined": 0,
        "attempts": 3,
        "replays": 1,
        "in_flight": 0,
        "waiting": 0,
        "peak_in_flight": 1,
        "refunds": 0,
        "orders_charged_more_than_once": 0,
        "orders_refunded_more_than_once": 0,
    }


async def test_metrics_tell_outcomes_and_admission(client: Client) -> None:
    await charge(client, 1)
    await charge(client, 1)
    async with client.get("/metrics") as answer:
        text = await answer.text()
    assert 'gateway_answers_total{outcome="succeeded"} 1.0' in text
    assert 'gateway_answers_total{outcome="replayed"} 1.0' in text
    assert 'gateway_answer_duration_seconds_count{outcome="succeeded"} 1.0' in text
    (seconds,) = re.findall(r'gateway_answer_duration_seconds_sum\{outcome="succeeded"\} (\S+)', text)
    assert 0 < float(seconds) < 10
    assert "gateway_charges_in_flight 0.0" in text


async def test_metrics_tell_who_is_in_flight_and_who_waits_for_which_capacity(
    client: Client, provider: Provider, make_behaviour: Callable[..., Behaviour]
) -> None:
    provider.behave(make_behaviour(capacity=2, latency_seconds=3600))
    tasks = [asyncio.create_task(charge(client, number)) for number in range(3)]
    async with asyncio.timeout(5):
        while provider.admission.waiting < 1:  # noqa: ASYNC110 - the queue sets no event for tests
            await asyncio.sleep(0.002)
    async with client.get("/metrics") as answer:
        shown = (await answer.text()).splitlines()
    assert {"gateway_charges_in_flight 2.0", "gateway_charges_waiting 1.0", "gateway_capacity 2.0"} <= set(shown)
    for task in tasks:
        task.cancel()
