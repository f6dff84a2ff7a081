"""Intake: from the bytes of a request to an order with an id and our prices."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flashmsg import FieldError, InvalidRequestError, Order, OrderRequest, parse_request
from order_api.catalogue import Catalogue, CatalogueNotLoadedError
from order_api.order_ids import OrderIds
from order_api.pricing import PricedBasket, UnpriceableError, price
from order_api.rejections import Rejection

IDEMPOTENCY_KEY = "Idempotency-Key"
_VISIBLE_ASCII = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Turns what a client sent into an order; it does no input or output.

    Attributes:
        ids: Issues order ids.
        catalogue: Has the prices.
        now: The time in UTC.
    """

    ids: OrderIds
    catalogue: Catalogue
    now: Callable[[], datetime]

    def order(self, body: bytes, *, idempotency_keys: Sequence[str]) -> Order:
        """Return the order that a body and the values of its `Idempotency-Key` header ask for.

        Raises:
            Rejection: 400 for a body that is no JSON or a bad header, 422 for JSON that is no order
                we can price, 503 while there are no prices.
        """
        key = _idempotency_key(idempotency_keys)
        request = _parsed(body)
        basket = self._priced(request)
        if key is None:
            order_id = self.ids.issue()
        else:
            order_id = self.ids.derive(customer_id=request.customer_id, idempotency_key=key)
        return Order(
            order_id=order_id,
            customer_id=request.customer_id,
            items=basket.items,
            currency=basket.currency,
            total_minor=basket.total_minor,
            created_at=self.now(),
        )

    def _priced(self, request: OrderRequest) -> PricedBasket:
        try:
            return price(request.items, find=self.catalogue.find)
        except UnpriceableError as exc:
            raise Rejection(422, "unpriceable", "The order cannot be priced", errors=exc.errors) from exc
        except CatalogueNotLoadedError as exc:
            raise Rejection(
                503,
                "catalogue_unavailable",
                "Prices are not available yet",
                errors=[("items", "Prices are not available yet; nothing was accepted")],
                retry_after=timedelta(seconds=2),
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
