import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.test_utils import TestClient, make_mocked_request

from payment_gateway import bodies
from payment_gateway.behaviour import Behaviour
from payment_gateway.charge_store import ChargeStore
from payment_gateway.provider import Provider

Client = TestClient[web.Request, web.Application]
MakeBehaviour = Callable[..., Behaviour]
BODY = {"order_id": "ord_1", "amount_minor": 1999, "currency": "USD", "customer_id": 42}
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def charge(client: Client, key: str = "k1", **fields: object) -> tuple[int, dict[str, Any], dict[str, str]]:
    async with client.post("/v1/charges", json=BODY | fields, headers={"Idempotency-Key": key}) as answer:
        return answer.status, await answer.json(content_type=None), dict(answer.headers)


async def answered(client: Client, outcome: str) -> float:
    """How many answers of this outcome the metrics show."""
    async with client.get("/metrics") as answer:
        (count,) = re.findall(rf'gateway_answers_total{{outcome="{outcome}"}} (\S+)', await answer.text())
    return float(count)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the queue sets no event for tests
            await asyncio.sleep(0.002)


async def test_a_charge_succeeds(client: Client) -> None:
    status, body, headers = await charge(client)
    assert status == 200
    assert body.pop("charge_id").startswith("ch_")
    assert datetime.fromisoformat(body.pop("created_at")).tzinfo is not None
    assert body == {"status": "succeeded", "order_id": "ord_1", "amount_minor": 1999, "currency": "USD"}
    assert "Idempotent-Replayed" not in headers


async def test_a_repeated_key_replays_without_capacity_or_time(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    _, first, _ = await charge(client)
    provider.behave(make_behaviour(latency_seconds=3600, failure_rate=1, decline_rate=1, lost_reply_rate=1, capacity=1))
    stuck = asyncio.create_task(charge(client, "k2", order_id="ord_2"))
    await until(lambda: provider.admission.in_flight == 1)
    status, again, headers = await charge(client)
    assert (status, again) == (200, first)
    assert headers["Idempotent-Replayed"] == "true"
    stuck.cancel()


async def test_a_decline_is_a_definite_answer(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(decline_rate=1))
    status, first, headers = await charge(client)
    assert status == 402
    assert headers["Content-Type"] == "application/problem+json"
    assert first == {
        "type": "about:blank",
        "title": "The charge is declined",
        "status": 402,
        "charge_status": "declined",
        "reason": "card_declined",
        "order_id": "ord_1",
    }
    provider.behave(make_behaviour())
    status, again, headers = await charge(client)
    assert (status, again) == (402, first)
    assert headers["Idempotent-Replayed"] == "true"


async def test_a_key_with_other_content_is_refused(client: Client) -> None:
    await charge(client)
    status, body, _ = await charge(client, amount_minor=1)
    assert (status, body["status"]) == (422, 422)
    assert (body["title"], body["detail"]) == ("Key reused", "The idempotency key was used for another charge")


async def test_a_key_in_flight_is_a_conflict_and_is_answered_later(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(latency_seconds=0.2))
    first = asyncio.create_task(charge(client))
    await until(lambda: provider.admission.in_flight == 1)
    status, body, headers = await charge(client)
    assert (status, headers["Retry-After"]) == (409, "1")
    assert (body["title"], body["detail"]) == ("In flight", "A request with this idempotency key is in flight")
    assert (await first)[0] == 200
    assert (await charge(client))[2]["Idempotent-Replayed"] == "true"


async def test_many_duplicates_at_once_charge_once(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour, store: ChargeStore
) -> None:
    provider.behave(make_behaviour(latency_seconds=0.1, capacity=2))
    answers = await asyncio.gather(*(charge(client) for _ in range(20)))
    assert Counter(status for status, _, _ in answers) == {200: 1, 409: 19}
    totals = store.totals()
    assert (totals.charges, totals.attempts, totals.replays) == (1, 20, 0)


async def test_no_more_charges_at_once_than_the_capacity(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour, store: ChargeStore
) -> None:
    provider.behave(make_behaviour(latency_seconds=0.02, capacity=3))
    answers = await asyncio.gather(*(charge(client, f"k{n}", order_id=f"ord_{n}") for n in range(20)))
    assert {status for status, _, _ in answers} == {200}
    assert provider.admission.peak_in_flight == 3
    # The stored times say the same.
    charges = store.page(after=0, limit=100)
    for one in charges:
        assert sum(other.started_at <= one.started_at < other.finished_at for other in charges) <= 3


async def test_an_admission_timeout_is_unavailable_with_a_time_to_retry(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour, store: ChargeStore
) -> None:
    provider.behave(make_behaviour(latency_seconds=1.2, capacity=1, queue_timeout_seconds=0.05))
    first = asyncio.create_task(charge(client))
    await until(lambda: provider.admission.in_flight == 1)
    status, body, headers = await charge(client, "k2", order_id="ord_2")
    assert (status, headers["Retry-After"]) == (503, "2")
    assert "capacity" in body["detail"]
    assert (await first)[0] == 200
    assert store.totals().charges == 1


async def test_an_injected_failure_charges_nothing_and_the_key_may_come_back(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour, store: ChargeStore
) -> None:
    provider.behave(make_behaviour(failure_rate=1))
    status, body, _ = await charge(client)
    assert (status, body["title"]) == (500, "Failed")
    assert body["detail"] == "An injected failure; nothing was charged"
    assert await answered(client, "failed") == 1
    assert store.totals().charges == 0
    provider.behave(make_behaviour())
    assert (await charge(client))[0] == 200
    assert store.totals().charges == 1


async def test_a_lost_reply_breaks_the_connection_after_the_charge(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour, store: ChargeStore
) -> None:
    provider.behave(make_behaviour(lost_reply_rate=1))
    with pytest.raises(aiohttp.ClientConnectionError):
        await charge(client)
    assert store.totals().charges == 1
    status, body, headers = await charge(client)
    assert (status, headers["Idempotent-Replayed"]) == (200, "true")
    assert body["charge_id"] == store.page(after=0, limit=1)[0].charge_id


async def test_an_answer_is_logged_with_its_order_and_its_trace(
    client: Client, provider: Provider, make_behaviour: MakeBehaviour
) -> None:
    provider.behave(make_behaviour(lost_reply_rate=1))
    headers = {"Idempotency-Key": "k1", "traceparent": TRACEPARENT}
    with structlog.testing.capture_logs() as lines:
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.post("/v1/charges", json=BODY, headers=headers)
        await client.post("/v1/charges", json=BODY, headers=headers)
    told = [{name: line[name] for name in line if name not in {"seconds", "log_level"}} for line in lines]
    known = {"idempotency_key": "k1", "order_id": "ord_1", "trace_id": TRACEPARENT[3:35]}
    assert told == [
        {"event": "charge_answered", "outcome": "reply_lost", "status": 500} | known,
        {"event": "charge_answered", "outcome": "replayed", "status": 200} | known,
    ]


async def test_the_trace_is_stored(client: Client, store: ChargeStore) -> None:
    headers = {"Idempotency-Key": "k1", "traceparent": TRACEPARENT}
    async with client.post("/v1/charges", json=BODY, headers=headers) as answer:
        assert answer.status == 200
    headers = {"Idempotency-Key": "k2", "traceparent": "nonsense"}
    async with client.post("/v1/charges", json=BODY | {"order_id": "ord_2"}, headers=headers) as answer:
        assert answer.status == 200
    assert [charge.traceparent for charge in store.page(after=0, limit=9)] == [TRACEPARENT, None]


GOOD = json.dumps(BODY).encode()
BAD_BODIES = [
    (b"", ""),
    (b"null", ""),
    (b"[]", ""),
    (b"{", ""),
    (b"\xff", ""),
    (b"[" * 10_000, ""),
    (b'{"order_id":' * 1000, ""),
    (GOOD[:-1] + b',"x":' + b"[" * 32 + b"]" * 32 + b"}", ""),
    (GOOD.replace(b"1999", b"9" * 5000), ""),
    (GOOD.replace(b"1999", b"NaN"), "/amount_minor"),
    (GOOD.replace(b"1999", b"-1"), "/amount_minor"),
    (GOOD.replace(b"1999", b"19.99"), "/amount_minor"),
    (GOOD.replace(b"1999", b'"1999"'), "/amount_minor"),
    (GOOD.replace(b"1999", b"9007199254740992"), "/amount_minor"),
    (GOOD.replace(b"1999", b"true"), "/amount_minor"),
    (GOOD.replace(b'"amount_minor"', b'"amount"'), "/amount"),
    (GOOD.replace(b"USD", b"usd"), "/currency"),
    (GOOD.replace(b"USD", b"USD\\n"), "/currency"),
    (GOOD.replace(b"ord_1", b""), "/order_id"),
    (GOOD.replace(b"ord_1", b"a\\u0000b"), "/order_id"),
    (GOOD.replace(b"ord_1", b"\\ud800"), ""),
    (GOOD.replace(b"ord_1", b"x" * 129), "/order_id"),
    (GOOD.replace(b"42", b"0"), "/customer_id"),
]


@pytest.mark.parametrize(("body", "pointer"), BAD_BODIES)
async def test_a_bad_body_is_a_400_that_names_the_field(
    client: Client, store: ChargeStore, body: bytes, pointer: str
) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    async with client.post("/v1/charges", data=body, headers=headers) as answer:
        assert answer.status == 400
        assert answer.content_type == "application/problem+json"
        errors = (await answer.json(content_type=None)).get("errors", [{"pointer": ""}])
    assert pointer in [error["pointer"] for error in errors]
    assert store.totals().attempts == 0


async def test_a_key_of_255_characters_and_an_order_of_128_are_taken(client: Client) -> None:
    assert (await charge(client, "x" * 255, order_id="x" * 128))[0] == 200


async def test_a_body_is_taken_up_to_its_limit(client: Client) -> None:
    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    for size, status in ((bodies.BODY_LIMIT_BYTES, 200), (bodies.BODY_LIMIT_BYTES + 1, 413)):
        async with client.post("/v1/charges", data=GOOD.ljust(size), headers=headers) as answer:
            assert answer.status == status


@pytest.mark.parametrize("key", [None, "", "a b", "x" * 256, "schlüssel"])
async def test_a_bad_key_is_a_400(client: Client, store: ChargeStore, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    async with client.post("/v1/charges", json=BODY, headers=headers) as answer:
        assert answer.status == 400
        told = await answer.json(content_type=None)
    assert told["title"] == "Bad idempotency key"
    assert "Idempotency-Key" in told["detail"]
    assert store.totals().attempts == 0


@pytest.mark.parametrize(
    ("headers", "body", "status", "title"),
    [
        ({"Content-Type": "text/plain"}, GOOD, 415, "Unsupported media type"),
        ({"Content-Encoding": "gzip"}, GOOD, 415, "Unsupported content encoding"),
        ({}, b" " * 17_000, 413, "Body too large"),
        ({}, b"{", 400, "Not JSON"),
        ({}, b"[" * 33 + b"]" * 33, 400, "JSON nested too deeply"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    client: Client, headers: dict[str, str], body: bytes, status: int, title: str
) -> None:
    all_headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"} | headers
    session = aiohttp.ClientSession(auto_decompress=False)
    async with session, session.post(client.make_url("/v1/charges"), data=body, headers=all_headers) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        told = await answer.json(content_type=None)
    assert told["title"] == title
    assert told["detail"]


async def test_a_body_that_does_not_arrive_is_given_up(
    client: Client, store: ChargeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_SECONDS", 0.05)

    async def dripping() -> AsyncIterator[bytes]:
        yield GOOD[:10]
        await asyncio.sleep(30)

    headers = {"Idempotency-Key": "k1", "Content-Type": "application/json"}
    async with client.post("/v1/charges", data=dripping(), headers=headers) as answer:
        assert answer.status == 408
        told = await answer.json(content_type=None)
    assert (told["title"], told["detail"]) == ("Slow body", "The body did not arrive within 0.05 seconds")
    assert store.totals().attempts == 0


@pytest.mark.parametrize("fault", [web.RequestPayloadError("no chunk"), ConnectionResetError("Connection lost")])
async def test_a_body_that_breaks_off_is_the_clients_fault(fault: Exception) -> None:
    body = StreamReader(BaseProtocol(asyncio.get_running_loop()), 2**16)
    body.set_exception(fault)
    request = make_mocked_request("POST", "/v1/charges", headers={"Content-Type": "application/json"}, payload=body)
    with pytest.raises(bodies.BadRequestError) as caught:
        await bodies.read_json_body(request)
    answer = caught.value.response
    assert isinstance(answer.body, bytes)
    assert (answer.status, json.loads(answer.body)["title"]) == (400, "Broken body")
    assert str(caught.value) == "Bad Request"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/charges", 405), ("GET", "/nowhere", 404)])
async def test_unknown_places_are_problems_too(client: Client, method: str, path: str, status: int) -> None:
    async with client.request(method, path) as answer:
        assert answer.status == status
        assert answer.content_type == "application/problem+json"
        told = await answer.json(content_type=None)
        assert (told["status"], answer.headers.get("Allow")) == (status, "POST" if status == 405 else None)
    assert told["title"] == {404: "Not Found", 405: "Method Not Allowed"}[status]


async def test_a_bug_is_a_problem_too(client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider, "charge", None)
    status, body, headers = await charge(client)
    assert (status, body["status"], body["title"]) == (500, 500, "Internal error")
    assert headers["Content-Type"] == "application/problem+json"


async def test_a_broken_charge_store_is_unavailable_and_not_ready(client: Client, store: ChargeStore) -> None:
    assert (await client.get("/readyz")).status == 200
    store.close()
    status, body, _ = await charge(client)
    assert (status, body["title"]) == (503, "Charge store unavailable")
    assert "cannot be used" in body["detail"]
    async with client.get("/admin/summary") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        told = await answer.json(content_type=None)
    assert (told["title"], told["detail"]) == (body["title"], body["detail"])
    ready = await client.get("/readyz")
    assert ready.status == 503
    assert (await ready.json())["checks"] == {"charge_store": "failed: ChargeStoreError"}
    assert (await client.get("/livez")).status == 200
