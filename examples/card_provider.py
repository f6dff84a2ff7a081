"""flashpay's `Gateway` on a card provider's API of the usual kind: forms in, JSON out, an `Idempotency-Key`.

Ask two things of a provider. Its keys must outlive what waits in the queue and among the dead letters: a key that is
forgotten charges again. And its list must show a payment at once: one that lags is no ground for `NotCharged`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import aiohttp

from examples.card_answers import Answer, Payment, Payments, told, told_without_payment
from flashpay import ChargeKnown, ChargeRequest, ChargeResult, ConflictingChargeError, NotCharged
from flashpay import GatewayUnavailableError as UnavailableError


class CardProvider:
    """Charges by POST to `payments_url`, looks up by the order id in the metadata; the session has the API key."""

    def __init__(self, *, session: aiohttp.ClientSession, payments_url: str) -> None:
        self._session = session
        self._url = payments_url

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - the protocol's
        """See `Gateway.charge`."""
        form = {
            "amount": str(request.amount_minor),
            "currency": request.currency.lower(),
            "customer": str(request.customer_id),
            "metadata[order_id]": request.order_id,
            "confirm": "true",
        }
        async with _answered_within(timeout):
            answer = await self._ask("POST", self._url, data=form, headers={"Idempotency-Key": request.order_id})
            if answer.status != HTTPStatus.OK:
                return told_without_payment(answer, request)
            return await self._told(answer.read(Payment), request)

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ASYNC109 - the protocol's
        """See `Gateway.lookup`."""
        async with _answered_within(timeout):
            answer = await self._ask("GET", self._url, params={"metadata[order_id]": request.order_id})
            if answer.status != HTTPStatus.OK:
                raise answer.unavailable()  # a question that is refused says nothing about the charge
            payments = answer.read(Payments).data
            if len(payments) > 1:
                raise ConflictingChargeError(f"{len(payments)} payments of one order", reason="conflicting_charge")
            return await self._told(payments[0], request) if payments else NotCharged()

    async def _told(self, payment: Payment, request: ChargeRequest) -> ChargeResult:
        if payment.status == "requires_action":
            # Nobody is there to confirm it at the bank; it is a no only when it cannot be confirmed any more. The
            # cancellation may come too late, or twice: what the payment says afterwards counts.
            await self._ask("POST", f"{self._url}/{payment.id}/cancel")
            answer = await self._ask("GET", f"{self._url}/{payment.id}")
            if answer.status != HTTPStatus.OK:
                raise answer.unavailable()
            payment = answer.read(Payment)
        return told(payment, request)

    async def _ask(self, method: str, url: str, **options: Any) -> Answer:  # noqa: ANN401 - aiohttp's own options
        async with self._session.request(method, url, allow_redirects=False, **options) as response:
            return Answer(status=response.status, body=await response.read())


@asynccontextmanager
async def _answered_within(timeout: timedelta) -> AsyncIterator[None]:  # noqa: ASYNC109 - one deadline for all calls of a question
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            yield
    except TimeoutError as exc:
        raise UnavailableError("no answer of the card provider in time", reason="timeout") from exc
    except (aiohttp.ClientError, OSError) as exc:
        raise UnavailableError(f"no answer of the card provider: {exc}", reason="connection") from exc
