"""The card provider that the adapter is for, over HTTP; what becomes of a charge is up to flashpay's fake gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias

from aiohttp import web

from flashpay import Approved, ChargeRequest, Declined, GatewayInFlightError, GatewayUnavailableError, KeyReusedError
from flashpay.testing import FakeGateway

_ALWAYS = timedelta(days=1)
_Payment: TypeAlias = dict[str, object]


@dataclass(kw_only=True)
class CardProviderServer:
    """A provider with a switch for whatever an adapter must bear.

    Attributes:
        url: Of the payments.
        gateway: Charges, and keeps the keys.
        bank_asks: Whether new payments wait for their customer to confirm them at the bank.
        confirmed: Whether that customer is always faster than a cancellation.
        canned: What every charge is answered instead, if anything: status and body.
        doubled: Whether the list shows every payment twice.
        held: The payments that once waited for a bank, by id.
    """

    url: str = ""
    gateway: FakeGateway = field(default_factory=FakeGateway)
    bank_asks: bool = False
    confirmed: bool = False
    canned: tuple[int, str] | None = None
    doubled: bool = False
    held: dict[str, _Payment] = field(default_factory=dict)

    async def pay(self, request: web.Request) -> web.Response:
        """POST of a payment; a repeated key gets the first answer, whatever became of the payment since."""
        if self.canned is not None:
            return web.Response(status=self.canned[0], text=self.canned[1])
        form = await request.post()
        charge = ChargeRequest(
            order_id=request.headers["Idempotency-Key"],
            amount_minor=int(str(form["amount"])),
            currency=str(form["currency"]).upper(),
            customer_id=int(str(form["customer"])),
        )
        assert (form["metadata[order_id]"], form["confirm"]) == (charge.order_id, "true")
        if self.bank_asks:
            first = _payment(charge, f"pi_{charge.order_id}", "requires_action")
            self.held.setdefault(f"pi_{charge.order_id}", dict(first))
            return web.json_response(first)
        return await self._charge(request, charge)

    async def _charge(self, request: web.Request, charge: ChargeRequest) -> web.Response:
        try:
            result = await self.gateway.charge(charge, timeout=_ALWAYS)
        except GatewayInFlightError:
            return _refusal(409, "idempotency_error", "key_in_use")
        except KeyReusedError:
            return _refusal(400, "idempotency_error", "key_reused")
        except GatewayUnavailableError as exc:
            if exc.status is None:
                assert request.transport is not None
                request.transport.abort()
            return _refusal(exc.status or 500, "api_error", "internal")
        if isinstance(result, Declined):
            return _refusal(402, "card_error", result.reason)
        return web.json_response(_payment(charge, result.charge_id, "succeeded"))

    async def find(self, request: web.Request) -> web.Response:
        """GET of the payments of one order."""
        order_id = request.query["metadata[order_id]"]
        found = [payment for payment in self.held.values() if payment["metadata"] == {"order_id": order_id}]
        known = self.gateway.answers.get(order_id)
        asked = known.request if known else ChargeRequest(order_id=order_id, amount_minor=1, currency="", customer_id=1)
        try:
            result = await self.gateway.lookup(asked, timeout=_ALWAYS)
        except GatewayInFlightError:
            found.append(_payment(self._open(order_id), "pi_open", "processing"))
        except GatewayUnavailableError as exc:
            return _refusal(exc.status or 500, "api_error", "internal")
        else:
            if isinstance(result, Approved):
                found.append(_payment(asked, result.charge_id, "succeeded"))
            elif isinstance(result, Declined):
                found.append(_payment(asked, "pi_declined", "declined") | {"decline_code": result.reason})
        return web.json_response({"data": found * (2 if self.doubled else 1)})

    def _open(self, order_id: str) -> ChargeRequest:
        return next(request for request in self.gateway.requests if request.order_id == order_id)

    async def show(self, request: web.Request) -> web.Response:
        """GET of one payment."""
        return web.json_response(self.held[request.match_info["id"]])

    async def cancel(self, request: web.Request) -> web.Response:
        """POST of a cancellation, which only a payment that waits can have."""
        payment = self.held[request.match_info["id"]]
        if self.confirmed:
            payment["status"] = "succeeded"
        if payment["status"] != "requires_action":
            return _refusal(400, "invalid_request_error", "unexpected_state")
        payment["status"] = "canceled"
        return web.json_response(payment)


@asynccontextmanager
async def card_provider_server() -> AsyncIterator[CardProviderServer]:
    """Serve a provider on a free loopback port for the length of the block."""
    server = CardProviderServer()
    app = web.Application()
    app.router.add_post("/v1/payments", server.pay)
    app.router.add_get("/v1/payments", server.find)
    app.router.add_get("/v1/payments/{id}", server.show)
    app.router.add_post("/v1/payments/{id}/cancel", server.cancel)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/payments"
        yield server
    finally:
        await runner.cleanup()


def _payment(charge: ChargeRequest, payment_id: str, status: str) -> _Payment:
    return {
        "id": payment_id,
        "status": status,
        "amount": charge.amount_minor,
        "currency": charge.currency.lower(),
        "metadata": {"order_id": charge.order_id},
    }


def _refusal(status: int, kind: str, code: str) -> web.Response:
    return web.json_response({"error": {"type": kind, "code": code}}, status=status)
