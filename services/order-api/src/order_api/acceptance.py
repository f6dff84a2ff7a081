"""What both ways in share: the draft a request asks for, its price, and the acceptance of the order by the topic."""

from dataclasses import replace
from datetime import timedelta

from aiohttp import web

from flashbus.publisher import PublishError
from flashbus.topic import Entry
from flashmsg import ORDER_PLACED_TYPE, Order, Reservation, encode_placed
from flashpay import Accepted, ContentMismatch, LedgerEntry
from order_api.app_keys import BOOK, INTAKE, METRICS, PUBLISHER, RETRY_AFTER, SETTINGS
from order_api.bodies import read_json_body
from order_api.intake import IDEMPOTENCY_KEY, Draft
from order_api.limited_sale import ReservedUnits
from order_api.order_book import OrderBookError
from order_api.rejections import Rejection, mismatch, outcome_unknown, turned_away
from order_api.responses import acceptance_response
from order_api.telemetry import REQUEST_CONTEXT

_MILLISECOND = timedelta(milliseconds=1)


async def asked_for(request: web.Request) -> tuple[Draft, Order]:
    """Read what a request asks for, and price it.

    What has no price any more is still the order that its key was accepted with.

    Raises:
        Rejection: The request is not acceptable; or it can neither be priced nor was it accepted before.
    """
    app = request.app  # looked up once: aiohttp has to search for it
    settings, intake = app[SETTINGS], app[INTAKE]
    body = await read_json_body(request, limit_bytes=settings.body_limit_bytes, deadline=settings.body_timeout)
    draft = intake.draft(body, idempotency_keys=request.headers.getall(IDEMPOTENCY_KEY, []))
    # Only while two secrets are known, and only with a key, is there anything to look up.
    if draft.earlier_ids:
        draft = await _as_first_asked(request, draft)
    context = request[REQUEST_CONTEXT]
    context.fields["order_id"] = draft.order_id
    context.receipt = draft.receipt
    try:
        return draft, intake.priced(draft)
    except Rejection:
        entry = await entry_of(request, draft) if draft.key_given else None
        if entry is None:
            raise
    if entry.fingerprint != draft.request.fingerprint:
        raise mismatch(IDEMPOTENCY_KEY)
    return draft, entry.order


async def entry_of(request: web.Request, draft: Draft) -> LedgerEntry | None:
    """The entry of a draft in the ledger, None when there is none.

    Raises:
        Rejection: 503 without an answer of the ledger.
    """
    try:
        return await request.app[BOOK].get(draft.order_id)
    except OrderBookError as exc:
        raise _unchecked(request, draft, exc) from exc


def message_of(request: web.Request, order: Order, reservation: Reservation | None) -> Entry:
    """The message that carries an order on, in the trace of its request."""
    traceparent = str(request[REQUEST_CONTEXT].traceparent)
    body = encode_placed(order, traceparent=traceparent, reservation=reservation)
    return Entry(body, {"type": ORDER_PLACED_TYPE, "traceparent": traceparent})


async def queue(
    request: web.Request,
    draft: Draft,
    order: Order,
    units: ReservedUnits,
    *,
    mode: str,
    settling: bool = False,
) -> web.StreamResponse:
    """Publish an order and describe its acceptance.

    Args:
        request: Asks for it.
        draft: What it asks for.
        order: The same, priced.
        units: What is reserved for it. Not handed on if an order of this key has units of its own.
        mode: How it came here, for metrics and log.
        settling: Whether a settlement of this request has begun: then the order may be charged whatever happens here.

    Raises:
        Rejection: 422 for a key that stands for another order, 503 without an acknowledgement.
    """
    known = await _written_down(request, draft, order, units, settling=settling) if draft.key_given else None
    accepted = order if known is None else known.entry.order
    reservation = units.reservation if known is None else known.entry.reservation
    # A settled order needs no message; of any other one an earlier message may have been lost.
    if known is None or known.entry.status.awaits_payment:
        message = units.message if known is None else None
        entry = message or message_of(request, accepted, reservation)
        try:
            await request.app[PUBLISHER].publish(entry)
        except PublishError as exc:
            raise await unpublished(request, draft, accepted, units, exc, settling=settling) from exc
        # Nearly always it is the very same; pydantic would compare them field by field.
        if reservation is units.reservation or reservation == units.reservation:
            units.handed_on()
    first = known is None or known.first or (settling and is_made_of(known.entry, order))
    note_acceptance(request, mode, repeated=not first)
    return acceptance_response(request, order.order_id)


async def unpublished(
    request: web.Request,
    draft: Draft,
    order: Order,
    units: ReservedUnits,
    error: PublishError,
    *,
    settling: bool = False,
) -> Rejection:
    """What a client is told of an order that was not acknowledged by the topic, once its units are looked after."""
    request[REQUEST_CONTEXT].fields["error"] = str(error)
    certain = error.certain and not settling
    retry_after = _after(request, request.app[PUBLISHER].pause)
    # A reservation that stands in the ledger under a key is not withdrawn: a repeat would publish it without units.
    if certain and (units.reservation is None or not draft.key_given):
        if await units.withdraw(order):
            title = "Orders cannot be taken right now"
            return turned_away(draft.shared_receipt, f"publish_{error.reason}", title, retry_after=retry_after)
    elif not draft.key_given:
        await request.app[BOOK].note(order, reservation=units.reservation)
    return outcome_unknown(draft.receipt, retry_after=retry_after)


def note_acceptance(request: web.Request, mode: str, *, repeated: bool) -> None:
    """Count an order taken, and name in the request's log line how."""
    request.app[METRICS].accepted(mode, repeated=repeated)
    request[REQUEST_CONTEXT].fields["mode"] = mode


def is_made_of(entry: LedgerEntry, order: Order) -> bool:
    """Whether an entry was made of this very order, and not of one that an earlier request made under its key.

    The entry keeps the moment at which its order was made. Good for counting only: two requests may share it.
    """
    return timedelta(0) <= order.created_at - entry.created_at < _MILLISECOND


async def _as_first_asked(request: web.Request, draft: Draft) -> Draft:
    for order_id in draft.earlier_ids:
        earlier = replace(draft, order_id=order_id)
        if await _is_known(request, earlier):
            return earlier
    return draft


async def _is_known(request: web.Request, draft: Draft) -> bool:
    """Whether the order of a draft was ever accepted, claimed or called off: its key stands for it then."""
    try:
        return await request.app[BOOK].find(draft.order_id) is not None
    except OrderBookError as exc:
        raise _unchecked(request, draft, exc) from exc


async def _written_down(
    request: web.Request, draft: Draft, order: Order, units: ReservedUnits, *, settling: bool
) -> Accepted:
    try:
        acceptance = await request.app[BOOK].accept(order, reservation=units.reservation)
    except OrderBookError as exc:
        # Of what is journaled or being settled, more may happen than this request knows.
        if not settling and units.reservation is None:
            raise _unchecked(request, draft, exc) from exc
        request[REQUEST_CONTEXT].fields["error"] = str(exc)
        raise outcome_unknown(draft.receipt, retry_after=_after(request, request.app[BOOK].outage)) from exc
    if isinstance(acceptance, ContentMismatch):
        raise mismatch(IDEMPOTENCY_KEY)
    return acceptance


def _unchecked(request: web.Request, draft: Draft, error: OrderBookError) -> Rejection:
    request[REQUEST_CONTEXT].fields["error"] = str(error)
    title = "The key cannot be looked up right now"
    return turned_away(
        draft.shared_receipt, "ledger_unavailable", title, retry_after=_after(request, request.app[BOOK].outage)
    )


def _after(request: web.Request, estimate: timedelta) -> timedelta:
    return request.app[RETRY_AFTER].spread(estimate)
