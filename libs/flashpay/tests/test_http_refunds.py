"""What an HTTP gateway is asked of a refund, and which of its answers are definite."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from flashpay import (
    ConflictingChargeError,
    FlashpayError,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    HttpGateway,
    KeyReusedError,
    NotRefunded,
    Refunded,
    RefundRequest,
)
from flashpay.exchanges import GatewayAnswer

TIMEOUT = timedelta(seconds=5)
REQUEST = RefundRequest(
    order_id="ord_sample",
    charge_id="ch_1",
    amount_minor=3998,
    currency="EUR",
    customer_id=7,
    traceparent="00-trace",
)
RECEIPT: dict[str, Any] = {
    "refund_id": "re_1",
    "status": "refunded",
    "order_id": "ord_sample",
    "amount_minor": 3998,
    "currency": "EUR",
}
UNKNOWN = {"type": "urn:flash-sale:refund-unknown", "status": 404, "idempotency_key": "refund-ord_sample"}


@dataclass
class FixedExchange:
    """Gives one answer to everything, and keeps what it was asked."""

    status: int = 200
    body: bytes = json.dumps(RECEIPT).encode()
    retry_after: str = ""
    asked: list[tuple[str, str, bytes, Mapping[str, str], timedelta]] = field(default_factory=list)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        timeout: timedelta,  # noqa: ASYNC109 - the protocol's
    ) -> GatewayAnswer:
        self.asked.append((method, path, body, headers, timeout))
        return GatewayAnswer(status=self.status, body=self.body, retry_after=self.retry_after)


def answering(status: int, body: object = None, *, retry_after: str = "") -> HttpGateway:
    said = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpGateway(FixedExchange(status=status, body=said, retry_after=retry_after))


async def refund(gateway: HttpGateway) -> Refunded:
    return await gateway.refund(REQUEST, timeout=TIMEOUT)


async def look_up(gateway: HttpGateway) -> Refunded | NotRefunded:
    return await gateway.lookup_refund(REQUEST, timeout=TIMEOUT)


async def test_a_refund_is_asked_for_with_all_that_is_paid_back_and_under_a_key_of_its_order() -> None:
    exchange = FixedExchange()
    assert await refund(HttpGateway(exchange)) == Refunded(refund_id="re_1")
    ((method, path, body, headers, timeout),) = exchange.asked
    assert (method, path, timeout) == ("POST", "/v1/refunds", TIMEOUT)
    assert json.loads(body) == {
        "order_id": "ord_sample",
        "charge_id": "ch_1",
        "amount_minor": 3998,
        "currency": "EUR",
        "customer_id": 7,
    }
    assert headers == {
        "Idempotency-Key": "refund-ord_sample",
        "Content-Type": "application/json",
        "traceparent": "00-trace",
    }


async def test_a_lookup_asks_by_the_key_of_the_refund_and_sends_nothing() -> None:
    exchange = FixedExchange()
    gateway = HttpGateway(exchange)
    for request in (REQUEST, replace(REQUEST, order_id="ord/sample", traceparent=None)):
        exchange.body = json.dumps(RECEIPT | {"order_id": request.order_id}).encode()
        assert await gateway.lookup_refund(request, timeout=TIMEOUT) == Refunded(refund_id="re_1")
    assert exchange.asked == [
        (
            "GET",
            "/v1/refunds/refund-ord_sample",
            b"",
            {"Idempotency-Key": "refund-ord_sample", "traceparent": "00-trace"},
            TIMEOUT,
        ),
        ("GET", "/v1/refunds/refund-ord%2Fsample", b"", {"Idempotency-Key": "refund-ord/sample"}, TIMEOUT),
    ]


async def test_a_refund_that_the_gateway_does_not_know_was_not_made() -> None:
    assert await look_up(answering(404, UNKNOWN)) == NotRefunded()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {}),
        (404, b"<html>not found</html>"),
        (404, UNKNOWN | {"idempotency_key": "ord_sample"}),
        (404, UNKNOWN | {"type": "about:blank"}),
        (200, UNKNOWN),
        (410, UNKNOWN),
        (500, UNKNOWN),
        (400, {}),
        (402, {"reason": "card_declined"}),
        (422, {}),
    ],
)
async def test_only_the_words_of_the_gateway_mean_not_refunded(status: int, body: object) -> None:
    with pytest.raises(GatewayUnavailableError) as caught:
        await look_up(answering(status, body))
    assert (caught.value.status, caught.value.retryable) == (status, True)
    assert not isinstance(caught.value, GatewayInFlightError)


async def test_a_refused_question_is_told_with_its_status_as_no_answer() -> None:
    with pytest.raises(GatewayUnavailableError) as caught:
        await look_up(answering(400, {}))
    assert (str(caught.value), caught.value.reason) == (
        "the payment gateway answers 400 to ord_sample",
        "bad_response",
    )
    assert isinstance(caught.value.__cause__, GatewayRefusedError)


@pytest.mark.parametrize("ask", [refund, look_up])
async def test_a_refund_in_flight_is_told_with_the_gateways_wish_to_wait(ask: Any) -> None:  # noqa: ANN401 - either way
    with pytest.raises(GatewayInFlightError) as caught:
        await ask(answering(409, {}, retry_after="2"))
    assert (caught.value.reason, caught.value.retry_after) == ("in_flight", timedelta(seconds=2))


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (400, GatewayRefusedError, "bad_request"),
        (402, GatewayRefusedError, "bad_request"),
        (422, KeyReusedError, "key_reused"),
        (404, GatewayUnavailableError, "access"),
        (503, GatewayUnavailableError, "overloaded"),
        (500, GatewayUnavailableError, "server_error"),
    ],
)
async def test_an_answer_without_a_receipt_pays_nothing_back(
    status: int, error: type[FlashpayError], reason: str
) -> None:
    with pytest.raises(error, match=f"the payment gateway answers {status} to ord_sample") as caught:
        await refund(answering(status, RECEIPT))
    assert (type(caught.value), caught.value.reason) == (error, reason)


@pytest.mark.parametrize(
    "body",
    [
        b"OK",
        {},
        {**RECEIPT, "status": "succeeded"},
        {**RECEIPT, "refund_id": ""},
        {**RECEIPT, "refund_id": "r" * 201},
        {**RECEIPT, "amount_minor": "3998"},
        {"charge_id": "ch_1", **{name: RECEIPT[name] for name in RECEIPT if name != "refund_id"}},
    ],
    ids=lambda body: str(body)[:40],
)
@pytest.mark.parametrize("ask", [refund, look_up])
async def test_what_is_no_receipt_of_a_refund_is_no_answer(ask: Any, body: object) -> None:  # noqa: ANN401 - either way
    with pytest.raises(GatewayUnavailableError, match="not a receipt of the payment gateway") as caught:
        await ask(answering(200, body))
    assert (caught.value.reason, caught.value.status) == ("bad_response", 200)


@pytest.mark.parametrize("other", [{"order_id": "ord_other"}, {"amount_minor": 1}, {"currency": "USD"}])
@pytest.mark.parametrize("ask", [refund, look_up])
async def test_a_receipt_for_another_refund_is_a_conflict(ask: Any, other: dict[str, Any]) -> None:  # noqa: ANN401 - either way
    with pytest.raises(ConflictingChargeError, match="the receipt re_1 is for something else") as caught:
        await ask(answering(200, RECEIPT | other))
    assert caught.value.reason == "answer_mismatch"


async def test_a_refund_has_a_name_of_two_hundred_characters_at_most() -> None:
    assert await refund(answering(200, RECEIPT | {"refund_id": "r" * 200})) == Refunded(refund_id="r" * 200)
