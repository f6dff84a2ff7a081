"""The adapter beside what every gateway promises, which `tests/contracts` asks of it too."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from examples.card_provider import CardProvider
from examples.tests.card_provider_server import CardProviderServer, card_provider_server
from flashpay import (
    Approved,
    ChargeRequest,
    ConflictingChargeError,
    Declined,
    FlashpayError,
    GatewayRefusedError,
    GatewayUnavailableError,
    KeyReusedError,
)

TIMEOUT = timedelta(seconds=5)
CHARGE = ChargeRequest(order_id="ord_aaaaaaaaaaaaaaaaaaaaaaaa", amount_minor=3998, currency="EUR", customer_id=7)
HTML = "<html>Bad gateway</html>"


@pytest.fixture
async def server() -> AsyncIterator[CardProviderServer]:
    async with card_provider_server() as running:
        yield running


@pytest.fixture
async def provider(server: CardProviderServer) -> AsyncIterator[CardProvider]:
    async with aiohttp.ClientSession() as session:
        yield CardProvider(session=session, payments_url=server.url)


def _error(kind: str) -> str:
    return json.dumps({"error": {"type": kind, "code": "some_code"}})


async def test_a_payment_that_waits_for_the_bank_is_cancelled_and_then_declined(
    server: CardProviderServer, provider: CardProvider
) -> None:
    server.bank_asks = True
    for _ in range(2):  # the repeat hears of the waiting payment again, which is cancelled by then
        assert await provider.charge(CHARGE, timeout=TIMEOUT) == Declined(reason="canceled")
    assert [payment["status"] for payment in server.held.values()] == ["canceled"]
    assert await provider.lookup(CHARGE, timeout=TIMEOUT) == Declined(reason="canceled")


async def test_a_customer_who_confirms_before_the_cancellation_was_charged(
    server: CardProviderServer, provider: CardProvider
) -> None:
    server.bank_asks = server.confirmed = True
    assert await provider.charge(CHARGE, timeout=TIMEOUT) == Approved(charge_id=f"pi_{CHARGE.order_id}")


@pytest.mark.parametrize(
    ("status", "body", "error", "reason"),
    [
        (400, _error("invalid_request_error"), GatewayRefusedError, "bad_request"),
        (422, _error("idempotency_error"), KeyReusedError, "key_reused"),
        (401, _error("invalid_request_error"), GatewayUnavailableError, "access"),
        (404, HTML, GatewayUnavailableError, "access"),
        (429, _error("rate_limit_error"), GatewayUnavailableError, "overloaded"),
        (502, HTML, GatewayUnavailableError, "server_error"),
        (402, HTML, GatewayUnavailableError, "bad_response"),
        (302, "", GatewayUnavailableError, "bad_response"),
        (200, HTML, GatewayUnavailableError, "bad_response"),
        (200, "{}", GatewayUnavailableError, "bad_response"),
    ],
)
async def test_only_the_provider_and_only_about_this_order_says_no(
    server: CardProviderServer, provider: CardProvider, status: int, body: str, error: type[FlashpayError], reason: str
) -> None:
    server.canned = (status, body)
    with pytest.raises(error) as caught:
        await provider.charge(CHARGE, timeout=TIMEOUT)
    assert (type(caught.value), caught.value.reason) == (error, reason)


async def test_two_payments_of_one_order_are_for_a_human(server: CardProviderServer, provider: CardProvider) -> None:
    await provider.charge(CHARGE, timeout=TIMEOUT)
    server.doubled = True
    with pytest.raises(ConflictingChargeError):
        await provider.lookup(CHARGE, timeout=TIMEOUT)
