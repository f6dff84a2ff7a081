"""Intake: from the bytes of a request to an order with an id and our prices."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashmsg import FieldError, InvalidRequestError, Order, OrderRequest, parse_request
from order_api.catalogue import Catalogue, CatalogueNotLoadedError
from order_api.order_ids import OrderIds
from order_api.pricing import PricedBasket, UnpriceableError, price
from order_api.rejections import Rejection
from order_api.retry_after import RetryAfter
from order_api.views import Receipt

IDEMPOTENCY_KEY = "Idempotency-Key"
_VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")
_MADE_KEY_BYTES = 18
# About as often as the catalogue is tried while nothing of it has been read.
_UNTIL_CATALOGUE = timedelta(seconds=1)


@dataclass(slots=True, kw_only=True)
class Draft:
    """An order that somebody asks for: its content and its id, without prices.

    Attributes:
        request: What is wanted.
        order_id: The one id that customer and key lead to.
        key: The client's key, or one made here, with which the same order can be asked for again.
        key_given: Whether the client sent the key: only then there may be other requests for this order.
        earlier_ids: Where the key led before the secret was exchanged: an order there is the same order.
    """

    request: OrderRequest
    order_id: str
    key: str
    key_given: bool
    earlier_ids: tuple[str, ...] = ()

    @property
    def receipt(self) -> Receipt:
        """What the client needs to ask for this order again, or about it."""
        return Receipt(order_id=self.order_id, idempotency_key=self.key)

    @property
    def shared_receipt(self) -> Receipt | None:
        """The receipt, when other requests may have placed this order, even if it is certain that this one did not."""
        return self.receipt if self.key_given else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Turns what a client sent into an order; it does no input or output.

    Attributes:
        ids: Makes order ids.
        catalogue: Has the prices.
        retry_after: Says when to come back while there are none.
        now: The time in UTC.
    """

    ids: OrderIds
    catalogue: Catalogue
    retry_after: RetryAfter
    now: Callable[[], datetime]

    def draft(self, body: bytes, *, idempotency_keys: Sequence[str]) -> Draft:
        """Return what a body and the values of its `Idempotency-Key` header ask for.

        Raises:
            Rejection: 400 for a body that is no JSON or a bad header, 422 for JSON that is no order.
        """
        given = _idempotency_key(idempotency_keys)
        request = _parsed(body)
        key = given or os.urandom(_MADE_KEY_BYTES).hex()
        order_id, *earlier = self.ids.candidates(customer_id=request.customer_id, idempotency_key=key)
        return Draft(
            request=request,
            order_id=order_id,
            key=key,
            key_given=given is not None,
            earlier_ids=tuple(earlier) if given is not None else (),
        )

    def priced(self, draft: Draft) -> Order:
        """Return the order at the prices of now.

        Raises:
            Rejection: 422 when the order cannot be priced, 503 while there are no prices.
        """
        basket = self._basket(draft)
        # The request was checked, the prices when the catalogue was read; the rest is ours.
        return Order.of_sound_parts(
            order_id=draft.order_id,
            customer_id=draft.request.customer_id,
            items=basket.items,
            currency=basket.currency,
            total_minor=basket.total_minor,
            created_at=self.now(),
        )

    def _basket(self, draft: Draft) -> PricedBasket:
        try:
            return price(draft.request.items, find=self.catalogue.find)
        except UnpriceableError as exc:
            raise Rejection(422, "unpriceable", "The order cannot be priced", errors=exc.errors) from exc
        except CatalogueNotLoadedError as exc:
            raise Rejection(
                503,
                "catalogue_unavailable",
                "Prices are not available yet",
                errors=[("items", "Prices are not available yet; nothing was accepted")],
                retry_after=self.retry_after.spread(_UNTIL_CATALOGUE),
            ) from exc


def _idempotency_key(values: Sequence[str]) -> str | None:
    if not values:
        return None
    if len(values) > 1 or not _VISIBLE_ASCII.fullmatch(values[0]):
        message = "The header must be given once, as 1 to 255 visible ASCII characters"
        raise Rejection.of_field(400, "idempotency_key", IDEMPOTENCY_KEY, message)
    return values[0]


def _parsed(body: bytes) -> OrderRequest:
    try:
        return parse_request(body)
    except InvalidRequestError as exc:
        errors = [(_field(error), error.message) for error in exc.errors]
        if exc.well_formed:
            raise Rejection(422, "invalid", "The body is not a valid order", errors=errors) from exc
        raise Rejection(400, "malformed", "The body is not strict JSON", errors=errors) from exc


def _field(error: FieldError) -> str:
    return ".".join(str(part) for part in error.loc) or "body"
