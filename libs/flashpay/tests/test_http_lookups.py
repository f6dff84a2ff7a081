"""Which answers to a lookup are definite, and that it charges nothing."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web

from flashpay import (
    Approved,
    Declined,
    GatewayInFlightError,
    GatewayUnavailableError,
    NotCharged,
)
from flashpay.testing.provider import RECEIPT, REQUEST, Provider

TIMEOUT = timedelta(seconds=5)
UNKNOWN = {"type": "urn:flash-sale:charge-unknown", "status": 404, "idempotency_key": "ord_sample"}


async def test_a_lookup_asks_by_the_key_and_charges_nothing(provider: Provider) -> None:
    provider.answer(200, RECEIPT)
    request = replace(REQUEST, traceparent="00-trace")
    assert await provider.gateway.lookup(request, timeout=TIMEOUT) == Approved(charge_id="ch_1")
    assert (provider.paths, provider.bodies) == (["/v1/charges/ord_sample"], [None])
    assert provider.headers[0]["traceparent"] == "00-trace"


async def test_a_key_with_signs_of_a_url_stays_one_key(provider: Provider) -> None:
    provider.answer(404, UNKNOWN | {"idempotency_key": "a/b?c"})
    assert await provider.gateway.lookup(replace(REQUEST, order_id="a/b?c"), timeout=TIMEOUT) == NotCharged()
    assert provider.paths == ["/v1/charges/a%2Fb%3Fc"]


async def test_a_lookup_knows_a_decline(provider: Provider) -> None:
    provider.answer(402, {"reason": "card_declined", "order_id": "ord_sample"})
    assert await provider.gateway.lookup(REQUEST, timeout=TIMEOUT) == Declined(reason="card_declined")


async def test_a_charge_in_flight_is_told_by_a_lookup(provider: Provider) -> None:
    provider.answer(409, {}, headers={"Retry-After": "2"})
    with pytest.raises(GatewayInFlightError) as caught:
        await provider.gateway.lookup(REQUEST, timeout=TIMEOUT)
    assert (caught.value.retry_after, caught.value.alive) == (timedelta(seconds=2), True)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {}),
        (404, b"<html>not found</html>"),
        (404, UNKNOWN | {"type": "about:blank"}),
        (404, UNKNOWN | {"idempotency_key": "ord_other"}),
        (404, {"type": UNKNOWN["type"]}),
        (405, {}),
        (400, {}),
        (422, {}),
        (200, {}),
        (200, UNKNOWN),
        (204, b""),
        (402, {"reason": "card_declined", "order_id": "ord_other"}),
        (410, UNKNOWN),
        (500, UNKNOWN),
        (302, UNKNOWN),
    ],
)
async def test_only_the_words_of_the_gateway_mean_not_charged(provider: Provider, status: int, body: object) -> None:
    provider.answer(status, body)
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.lookup(REQUEST, timeout=TIMEOUT)
    assert (caught.value.answered, caught.value.alive) == (True, status < 500)
    assert any(words in str(caught.value) for words in ("the payment gateway", REQUEST.order_id))


async def test_a_gateway_that_answers_nothing_is_not_alive(provider: Provider) -> None:
    async def hang(_request: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response()

    provider.handler = hang
    with pytest.raises(GatewayUnavailableError) as caught:
        await provider.gateway.lookup(REQUEST, timeout=timedelta(milliseconds=20))
    assert (caught.value.reason, caught.value.answered, caught.value.alive) == ("timeout", False, False)
