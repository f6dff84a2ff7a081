"""`POST /orders/sync`: settle while the customer waits, or fall back to the queue."""

from datetime import datetime, timedelta
from functools import partial

from aiohttp import web

from flashmsg import Order
from flashpay import (
    Busy,
    Duplicate,
    FlashpayError,
    GatewayRefusedError,
    GatewayUnavailableError,
    Mismatch,
    Settled,
    Settlement,
    SoldOut,
    utc_now,
)
from order_api.acceptance import asked_for, is_made_of, note_acceptance, queue
from order_api.app_keys import METRICS, RETRY_AFTER, SETTINGS, SETTLEMENT_LIMITER
from order_api.intake import IDEMPOTENCY_KEY, Draft
from order_api.limited_orders import journaled, reserved
from order_api.limited_sale import ReservedUnits
from order_api.rejections import Rejection, closed, mismatch, outcome_unknown, turned_away
from order_api.responses import order_response
from order_api.settlement_limiter import AtCapacityError, DeadlinePassedError
from order_api.telemetry import REQUEST_CONTEXT
from order_api.views import OrderView


async def post_sync_order(request: web.Request) -> web.StreamResponse:
    """Answer 200 with the terminal order; 202 when it went to the queue after all; 404 where all orders are queued."""
    if not request.app[SETTINGS].sync_limit:
        raise closed()
    draft, order = await asked_for(request)
    async with await reserved(request, draft, order) as units:
        return await _settled(request, draft, order, units)


async def _settled(request: web.Request, draft: Draft, order: Order, units: ReservedUnits) -> web.StreamResponse:
    try:
        settlement = await request.app[SETTLEMENT_LIMITER].settle(
            order,
            traceparent=str(request[REQUEST_CONTEXT].traceparent),
            reservation=units.reservation,
            # Not before there is a place: who waits for one, or finds none, costs no write.
            begin=partial(journaled, request, draft, order, units),
        )
    except AtCapacityError as exc:
        raise _at_capacity(request, draft, exc) from exc
    except (DeadlinePassedError, FlashpayError) as exc:
        return await _unsettled(request, draft, order, units, exc)
    # What a request of other content has counted is put right by the journal.
    if not isinstance(settlement, Busy | Mismatch):
        units.handed_on()
    return await _answer(request, draft, order, units, settlement)


async def _answer(
    request: web.Request, draft: Draft, order: Order, units: ReservedUnits, settlement: Settlement
) -> web.StreamResponse:
    match settlement:
        case Settled(entry=entry):
            note_acceptance(request, "sync", repeated=not is_made_of(entry, order))
            return order_response(OrderView.of(entry))
        case Duplicate(entry=entry) | SoldOut(entry=entry):
            # Accepted when it was settled; counting it again would make orders out of retries.
            request.app[METRICS].accepted("sync", repeated=True)
            request[REQUEST_CONTEXT].fields["duplicate"] = True
            return order_response(OrderView.of(entry))
        case Busy(lease_until=lease_until):
            return await _busy(request, draft, order, units, lease_until)
        case Mismatch():
            raise mismatch(IDEMPOTENCY_KEY)


def _at_capacity(request: web.Request, draft: Draft, error: AtCapacityError) -> Rejection:
    return turned_away(
        draft.shared_receipt,
        "at_capacity",
        "Too many customers are paying right now",
        retry_after=request.app[RETRY_AFTER].spread(error.next_turn),
    )


async def _unsettled(
    request: web.Request,
    draft: Draft,
    order: Order,
    units: ReservedUnits,
    error: DeadlinePassedError | FlashpayError,
) -> web.StreamResponse:
    request[REQUEST_CONTEXT].fields["error"] = str(error)
    if request.app[SETTINGS].sync_fallback:
        # Whatever became of the charge, the queue brings the order to its end under the same key.
        return await queue(request, draft, order, units, mode="sync_fallback", settling=True)
    retry_after = request.app[RETRY_AFTER].spread(_until_settled(request, error))
    if isinstance(error, GatewayRefusedError):
        raise outcome_unknown(draft.receipt, status=502, reason="payment_refused", retry_after=retry_after) from error
    reason = "late" if isinstance(error, DeadlinePassedError) else "payment_unavailable"
    raise outcome_unknown(draft.receipt, reason=reason, retry_after=retry_after) from error


def _until_settled(request: web.Request, error: DeadlinePassedError | FlashpayError) -> timedelta:
    if isinstance(error, DeadlinePassedError):
        return request.app[SETTLEMENT_LIMITER].payment_time
    asked = error.retry_after if isinstance(error, GatewayUnavailableError) else None
    return asked or request.app[SETTLEMENT_LIMITER].outage


async def _busy(
    request: web.Request, draft: Draft, order: Order, units: ReservedUnits, lease_until: datetime
) -> web.StreamResponse:
    if request.app[SETTINGS].sync_fallback:
        # Its holder may be dead: queued, the order comes to its end either way.
        return await queue(request, draft, order, units, mode="sync_fallback")
    raise Rejection(
        409,
        "in_progress",
        "The same order is being paid already",
        errors=[(IDEMPOTENCY_KEY, "A request with this key is in progress")],
        retry_after=request.app[RETRY_AFTER].spread(lease_until - utc_now()),
        receipt=draft.receipt,
    )
