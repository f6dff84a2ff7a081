"""Which answers of an HTTP gateway are definite, and that one key goes with one order."""

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from flashbus.wire.connection import Answer
from flashpay import (
    Approved,
    ConflictingChargeError,
    Declined,
    DirectExchange,
    FlashpayError,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    HttpGateway,
    SessionExchange,
)
from flashpay.testing.provider import RECEIPT, REQUEST, OpenExchange, Provider

TIMEOUT = timedelta(seconds=5)


async def test_a_receipt_is_an_approval(provider: Provider) -> None:
    provider.answer(200, RECEIPT)
    assert await provider.gateway.charge(REQUEST, timeout=TIMEOUT) == Approved(charge_id="ch_1")
    assert provider.bodies == [{"order_id": "ord_sample", "amount_minor": 3998, "currency": "EUR", "customer_id": 7}]
    assert "traceparent" not in provider.headers[0]


async def test_the_key_is_the_order_id_on_every_attempt(provider: Provider) -> None:
    provider.answer(500)
    for trace in ("00-a", "00-b"):
        with pytest.raises(GatewayUnavailableError):
            await provider.gateway.charge(replace(REQUEST, traceparent=trace), timeout=TIMEOUT)
    assert [headers["Idempotency-Key"] for headers in provider.headers] == ["ord_sample", "ord_sample"]
    assert [headers["traceparent"] for headers in provider.headers] == ["00-a", "00-b"]


async def test_a_402_that_says_why_is_a_decline(provider: Provider) -> None:
    provider.answer(402, {"title": "Declined", "status": "declined", "reason": "card_declined"})
    assert await provider.gateway.charge(REQUEST, timeout=TIMEOUT) == Declined(reason="card_declined")


async def test_the_reason_of_a_decline_is_cut_short(provider: Provider) -> None:
    provider.answer(402, {"reason": "x" * 5000})
    assert await provider.gateway.charge(REQUEST, timeout=TIMEOUT) == Declined(reason="x" * 200)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (500, "server_error"),
        (502, "server_error"),
        (504, "server_error"),
        (503, "overloaded"),
        (429, "overloaded"),
        (408, "timeout"),
        (425, "timeout"),
        (401, "access"),
        (403, "access"),
        (404, "access"),
        (405, "access"),
        (407, "access"),
        (201, "server_error"),
        (204, "server_error"),
        (307, "server_error"),
    ],
)
async def test_a_status_that_says_nothing_of_the_charge_is_no_answer(
    provider: Provider, status: int, reason: str
) -> None:
    provider.answer(status, b"" if status == 204 else RECEIPT, headers={"Location": "/v1/charges"})
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert (caught.value.retryable, caught.value.reason) == (True, reason)
    assert not isinstance(caught.value, GatewayInFlightError)
    assert len(provider.bodies) == 1


async def test_a_conflict_means_in_flight_elsewhere(provider: Provider) -> None:
    provider.answer(409)
    with pytest.raises(GatewayInFlightError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert (caught.value.retryable, caught.value.reason) == (True, "in_flight")


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "bad_request"), (413, "bad_request"), (415, "bad_request"), (422, "key_reused"), (451, "bad_request")],
)
async def test_a_refused_request_is_our_bug_and_no_decline(provider: Provider, status: int, reason: str) -> None:
    provider.answer(status, {"reason": "nonsense"})
    with pytest.raises(GatewayRefusedError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert (caught.value.retryable, caught.value.reason) == (False, reason)


@pytest.mark.parametrize("status", [400, 409, 422, 500, 503])
async def test_an_answer_that_is_none_is_told_with_its_status_and_its_order(provider: Provider, status: int) -> None:
    provider.answer(status)
    with pytest.raises(FlashpayError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert str(caught.value) == f"the payment gateway answers {status} to ord_sample"


@pytest.mark.parametrize("status", [429, 503, 409])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", timedelta(seconds=7)),
        (" 0 ", timedelta(0)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("-1", None),
        ("9" * 5000, None),
        ("\u0667", None),
    ],
    ids=lambda value: str(value)[:8],
)
async def test_the_gateways_wish_to_wait_is_kept(
    provider: Provider, status: int, value: str, expected: timedelta | None
) -> None:
    provider.answer(status, headers={"Retry-After": value})
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert caught.value.retry_after == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"<html>sign in</html>",
        b"\xff\xfe",
        b"[" * 10_000,
        b"x" * 100_000,
        {},
        [],
        None,
        {**RECEIPT, "status": "pending"},
        {**RECEIPT, "charge_id": ""},
        {**RECEIPT, "charge_id": None},
        {**RECEIPT, "charge_id": "c" * 201},
        {**RECEIPT, "status": "declined", "reason": ""},
        {**RECEIPT, "amount_minor": "3998"},
        {**RECEIPT, "amount_minor": 3998.5},
    ],
    ids=lambda body: str(body)[:24],
)
@pytest.mark.parametrize("status", [200, 402])
async def test_a_body_that_is_not_the_gateways_is_no_answer(provider: Provider, status: int, body: object) -> None:
    provider.answer(status, body)
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert caught.value.reason == "bad_response"


async def test_an_answer_of_64_kib_is_read_and_no_longer_one(provider: Provider) -> None:
    whole = json.dumps(RECEIPT).encode().ljust(64 * 1024)
    provider.answer(200, whole)
    assert await provider.gateway.charge(REQUEST, timeout=TIMEOUT) == Approved(charge_id="ch_1")
    provider.answer(200, whole + b" ")
    with pytest.raises(GatewayUnavailableError, match="too long") as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert (caught.value.reason, caught.value.answered) == ("bad_response", True)


@pytest.mark.parametrize("status", [200, 402])
async def test_an_answer_nested_too_deeply_is_not_parsed(provider: Provider, status: int) -> None:
    # Both would be definite without the list, which nothing looks at.
    document = {**RECEIPT, "reason": "card_declined", "extension": json.loads("[" * 32 + "]" * 32)}
    provider.answer(status, document)
    for ask in (provider.gateway.charge, provider.gateway.lookup):
        with pytest.raises(GatewayUnavailableError) as caught:
            await ask(REQUEST, timeout=TIMEOUT)
        assert caught.value.reason == "bad_response"


@pytest.mark.parametrize("other", [{"order_id": "ord_other"}, {"amount_minor": 1}, {"currency": "USD"}])
async def test_a_receipt_for_another_charge_is_refused(provider: Provider, other: dict[str, Any]) -> None:
    provider.answer(200, RECEIPT | other)
    for ask in (provider.gateway.charge, provider.gateway.lookup):
        with pytest.raises(ConflictingChargeError) as caught:
            await ask(REQUEST, timeout=TIMEOUT)
        assert (caught.value.reason, caught.value.retryable) == ("answer_mismatch", False)


async def test_a_slow_gateway_is_no_answer(provider: Provider) -> None:
    go_on = asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        await go_on.wait()
        return web.json_response(RECEIPT)

    provider.handler = slow
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(REQUEST, timeout=timedelta(milliseconds=50))
    go_on.set()
    assert caught.value.reason == "timeout"


async def test_a_body_that_stalls_is_no_answer(provider: Provider) -> None:
    go_on = asyncio.Event()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "500"})
        await response.prepare(request)
        await response.write(b'{"charge_id"')
        await go_on.wait()
        return response

    provider.handler = stall
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(REQUEST, timeout=timedelta(milliseconds=50))
    go_on.set()
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize("after_bytes", [0, 5])
async def test_a_dropped_connection_is_no_answer(provider: Provider, after_bytes: int) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "500"})
        if after_bytes:
            await response.prepare(request)
            await response.write(b"x" * after_bytes)
        assert request.transport is not None
        request.transport.close()
        return response

    provider.handler = drop
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.charge(REQUEST, timeout=TIMEOUT)
    assert caught.value.reason == "connection"
    assert len(provider.bodies) == 1


async def test_nobody_listening_is_no_answer(open_exchange: OpenExchange) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: every connection is refused
        async with open_exchange(f"http://127.0.0.1:{unused.getsockname()[1]}") as exchange:
            gateway = HttpGateway(exchange)
            with pytest.raises(GatewayUnavailableError) as caught:
                await gateway.charge(REQUEST, timeout=TIMEOUT)
    assert caught.value.reason == "connection"


@pytest.mark.parametrize("url", ["", "127.0.0.1:8090", "ftp://gateway", "http://", "/v1"])
async def test_a_base_url_that_cannot_work_is_refused_at_once(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="payment gateway's URL"):
            SessionExchange(session, base_url=url)
    with pytest.raises(ValueError, match="payment gateway's URL"):
        DirectExchange(NobodyAsked(), base_url=url)


class NobodyAsked:
    async def request(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        raise AssertionError((method, target, body, headers))
