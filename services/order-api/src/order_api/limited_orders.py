"""What intake does for an order of limited products before it hands it on, and what clients are told of that."""

from dataclasses import replace
from datetime import timedelta

from aiohttp import web

from flashbus.publisher import PublishError
from flashmsg import Order
from flashstock.errors import LimitReachedError, SoldOutError, StockError, StockUnavailableError
from order_api.acceptance import entry_of, message_of, note_acceptance, queue, unpublished
from order_api.app_keys import RETRY_AFTER, SALE, SETTINGS
from order_api.intake import Draft
from order_api.limited_sale import NOTHING_RESERVED, ReservedUnits
from order_api.rejections import Rejection, outcome_unknown, turned_away
from order_api.responses import acceptance_response
from order_api.stock_levels import StockNotLoadedError
from order_api.telemetry import REQUEST_CONTEXT

_UNTIL_LOADED = timedelta(seconds=1)


async def reserved(request: web.Request, draft: Draft, order: Order) -> ReservedUnits:
    """Reserve what is limited in an order; nothing where nothing is, or for a key whose order stands already.

    Raises:
        Rejection: 409 if fewer units are left or allowed, 503 if it cannot be found out.
    """
    sale = request.app[SALE]
    try:
        wanted = sale.limited(order)
    except StockNotLoadedError as exc:
        raise _unavailable(request, draft, exc, _UNTIL_LOADED) from exc
    if not wanted:
        return NOTHING_RESERVED
    seen = sale.journals.version if draft.key_given else None
    # First of all: a repeat must not be told "sold out" because its own order has the last unit.
    if draft.key_given and await entry_of(request, draft) is not None:
        return NOTHING_RESERVED
    try:
        return sale.reserve_at_once(wanted) or await sale.reserve(wanted)
    except SoldOutError as exc:
        raise await _unless_journaled(request, draft, _sold_out(draft, order, exc), seen=seen) from exc
    except LimitReachedError as exc:
        raise await _unless_journaled(request, draft, _limit_reached(draft, order, exc), seen=seen) from exc
    except StockUnavailableError as exc:
        raise _unavailable(request, draft, exc, sale.outage) from exc


async def journaled(request: web.Request, draft: Draft, order: Order, units: ReservedUnits) -> None:
    """Write an order into the journal and count it for its customer, so that it may be handed on.

    Raises:
        Rejection: 409 if the customer may not buy as much, 503 if it cannot be found out.
    """
    if units.reservation is None:
        return
    try:
        await units.journal(message_of(request, order, units.reservation))
    except StockUnavailableError as exc:
        raise _not_journaled(request, draft, exc) from exc
    if units.are_counted:
        await _counted(request, draft, order, units)


async def queue_limited(request: web.Request, draft: Draft, order: Order, units: ReservedUnits) -> web.StreamResponse:
    """`journaled` and `queue`; in one go where no key and no customer's limit asks for a step in between.

    Raises:
        Rejection: As both.
    """
    if draft.key_given or units.are_counted:
        async with units:
            await journaled(request, draft, order, units)
            return await queue(request, draft, order, units, mode="async")
    try:
        await units.journal_and_publish(message_of(request, order, units.reservation))
    except (StockUnavailableError, PublishError) as exc:
        async with units:
            raise await _not_queued(request, draft, order, units, exc) from exc
    except BaseException:  # a block around it all would cost every order two coroutines
        async with units:
            raise
    note_acceptance(request, "async", repeated=False)
    return acceptance_response(request, order.order_id)


async def _not_queued(
    request: web.Request, draft: Draft, order: Order, units: ReservedUnits, error: StockUnavailableError | PublishError
) -> Rejection:
    if isinstance(error, StockUnavailableError):
        return _not_journaled(request, draft, error)
    return await unpublished(request, draft, order, units, error)


def _not_journaled(request: web.Request, draft: Draft, error: StockUnavailableError) -> Rejection:
    if error.certain:
        return _unavailable(request, draft, error, request.app[SALE].outage)
    return _unknown(request, draft, error)


async def _counted(request: web.Request, draft: Draft, order: Order, units: ReservedUnits) -> None:
    try:
        await units.count(order)
    except LimitReachedError as exc:
        if await units.withdraw(order):
            raise await _unless_journaled(request, draft, _limit_reached(draft, order, exc)) from exc
        raise _unknown(request, draft, exc) from exc
    except StockError as exc:
        raise _unknown(request, draft, exc) from exc


async def _unless_journaled(
    request: web.Request, draft: Draft, refusal: Rejection, *, seen: int | None = None
) -> Rejection:
    """The refusal of an order, unless an earlier request with its key may still have it placed.

    That one's process may have died, or be slow, after it had journaled the order and before the ledger knew of it.
    `seen` is the version of the journals before the ledger was asked; None if that is not known.
    """
    if not draft.key_given:
        return refusal
    try:
        may_be_placed = await _may_be_placed(request, draft, seen)
    except StockUnavailableError as exc:
        return _unavailable(request, draft, exc, request.app[SALE].outage)
    if may_be_placed:
        request[REQUEST_CONTEXT].fields["error"] = "an earlier request of this key may still have the order placed"
        # By then the journals of a process that has died are reclaimed, or nearly so.
        retry_after = request.app[RETRY_AFTER].spread(request.app[SETTINGS].stock_lease)
        return outcome_unknown(draft.receipt, retry_after=retry_after)
    return refusal


async def _may_be_placed(request: web.Request, draft: Draft, seen: int | None) -> bool:
    journals, order_ids = request.app[SALE].journals, (draft.order_id, *draft.earlier_ids)
    if await journals.find(order_ids):
        return True
    # What has left the journals since the ledger was asked is in the ledger by now.
    return journals.version != seen and any(
        [await entry_of(request, replace(draft, order_id=one)) for one in order_ids]
    )


def _sold_out(draft: Draft, order: Order, error: SoldOutError) -> Rejection:
    message = "Fewer units are left than were ordered"
    return _conflict(draft, order, error.product_id, "sold_out", "Sold out", message)


def _limit_reached(draft: Draft, order: Order, error: LimitReachedError) -> Rejection:
    message = f"One customer may order at most {error.limit} of this product, earlier orders included"
    return _conflict(draft, order, error.product_id, "limit_reached", "One customer may not order as much", message)


def _conflict(draft: Draft, order: Order, product_id: str, reason: str, title: str, message: str) -> Rejection:
    index = [item.product_id for item in order.items].index(product_id)
    errors = [(f"items.{index}.product_id", f"{message}: {product_id}")]
    return Rejection(409, reason, title, errors=errors, receipt=draft.shared_receipt)


def _unavailable(request: web.Request, draft: Draft, error: Exception, outage: timedelta) -> Rejection:
    request[REQUEST_CONTEXT].fields["error"] = str(error)
    retry_after = request.app[RETRY_AFTER].spread(outage)
    title = "Limited products cannot be ordered right now"
    return turned_away(draft.shared_receipt, "stock_unavailable", title, retry_after=retry_after)


def _unknown(request: web.Request, draft: Draft, error: Exception) -> Rejection:
    request[REQUEST_CONTEXT].fields["error"] = str(error)
    return outcome_unknown(draft.receipt, retry_after=request.app[RETRY_AFTER].spread(request.app[SALE].outage))
