"""The refunds of a payment provider in memory, held to the same contract tests as the real ones behind HTTP."""

from dataclasses import dataclass, replace
from datetime import timedelta

from flashpay.cancellation import Cancellation, Canceller, Refunder
from flashpay.errors import ConflictingChargeError, GatewayRefusedError, GatewayUnavailableError, KeyReusedError
from flashpay.gateway import Approved, NotRefunded, Refunded, RefundKnown, RefundRequest, Refunds
from flashpay.ledger import Clock, Ledger, utc_now
from flashpay.reservations import Reservations
from flashpay.testing.gateway import FakeGateway, Reply, failure, in_flight, reachable
from flashpay.testing.schedule import Checkpoint, no_checkpoint

KEY_WINDOW = timedelta(hours=24)
_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeRefund:
    """One refund that was really made, and its answer."""

    request: RefundRequest
    result: Refunded


class FakeRefunds:
    """`Refunds` for tests: pays back what a `FakeGateway` charged. A new key is a new refund, as at the real one.

    Attributes:
        default: What happens to a new refund. HANG keeps it in flight, for good.
        answers: The answers by idempotency key; clear them, and the provider has forgotten its keys.
        refunds: Every refund that was really made, in sequence: the witness of who got how much back how often.
        requests: Every request for a refund, in sequence.
    """

    def __init__(self, *, gateway: FakeGateway, checkpoint: Checkpoint = no_checkpoint) -> None:
        self.default = Reply.APPROVE
        self.answers: dict[str, FakeRefund] = {}
        self.refunds: list[FakeRefund] = []
        self.requests: list[RefundRequest] = []
        self._gateway = gateway
        self._hanging: set[str] = set()
        self._checkpoint = checkpoint

    def refunded(self, order_id: str) -> int:
        """How often the customer of this order got the money back."""
        return sum(refund.request.order_id == order_id for refund in self.refunds)

    async def refund(self, request: RefundRequest, *, timeout: timedelta) -> Refunded:  # noqa: ARG002, ASYNC109 - the protocol's
        """See `Refunds.refund`."""
        self.requests.append(request)
        await self._checkpoint("refund.called")
        reachable(self.default)
        known = self.answers.get(request.key)
        result = self._new(replace(request, traceparent=None)) if known is None else _repeated(known, request)
        await self._checkpoint("refund.done")
        return result

    async def lookup_refund(self, request: RefundRequest, *, timeout: timedelta) -> RefundKnown:  # noqa: ARG002, ASYNC109 - as above
        """See `Refunds.lookup_refund`."""
        await self._checkpoint("lookup_refund.called")
        reachable(self.default)
        if self.default is Reply.FAIL:
            raise failure()
        if request.key in self._hanging:
            raise in_flight(request.key)
        known = self.answers.get(request.key)
        if known is None:
            return NotRefunded()
        if (known.request.amount_minor, known.request.currency) != (request.amount_minor, request.currency):
            raise ConflictingChargeError(f"{request.key} was something else", reason="answer_mismatch")
        return known.result

    def _new(self, request: RefundRequest) -> Refunded:
        if request.key in self._hanging:
            raise in_flight(request.key)
        if not self._charged(request):
            raise GatewayRefusedError(f"{request.charge_id} was not charged", reason="bad_request")
        if self.default is Reply.FAIL:
            raise failure()
        if self.default is Reply.HANG:
            self._hanging.add(request.key)
            raise GatewayUnavailableError("the fake gateway took too long", reason="timeout")
        made = FakeRefund(request=request, result=Refunded(refund_id=f"re_{len(self.refunds) + 1:06d}"))
        self.answers[request.key] = made
        self.refunds.append(made)
        if self.default is Reply.LOSE:
            raise GatewayUnavailableError("the fake gateway dropped the connection", reason="connection")
        return made.result

    def _charged(self, request: RefundRequest) -> bool:
        return any(
            charge.result == Approved(charge_id=request.charge_id)
            and charge.request.order_id == request.order_id
            and charge.request.amount_minor == request.amount_minor
            for charge in self._gateway.charges
        )


def _repeated(known: FakeRefund, request: RefundRequest) -> Refunded:
    if known.request != replace(request, traceparent=None):
        raise KeyReusedError(f"{request.key} was used with another content", reason="key_reused")
    return known.result


async def cancel(canceller: Canceller, order_id: str) -> Cancellation:
    """Cancel an order, as far as it goes."""
    return await canceller.finish(await canceller.decide(order_id))


def refunder_of(
    *, ledger: Ledger, refunds: Refunds, reservations: Reservations | None = None, clock: Clock = utc_now
) -> Refunder:
    """A refunder of fakes, with the usual times; nothing is limited unless it is said."""
    return Refunder(
        ledger=ledger,
        refunds=refunds,
        reservations=reservations or Reservations(stock=None, limits=None),
        timeout=_TIMEOUT,
        key_window=KEY_WINDOW,
        clock=clock,
    )
