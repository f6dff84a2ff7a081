"""Prices: the client says what and how many, the catalogue says how much."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flashmsg import PricedLine, RequestedLine
from order_api.catalogue import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedBasket:
    """The lines of an order at our prices; `total_minor` is in minor units of `currency`."""

    items: tuple[PricedLine, ...]
    currency: str
    total_minor: int


class UnpriceableError(Exception):
    """The client asks for something that cannot be priced.

    Attributes:
        errors: Pairs of the field at fault and a message.
    """

    retryable = False

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors))
        self.errors = tuple(errors)


def price(lines: Sequence[RequestedLine], *, find: Callable[[str], Product | None]) -> PricedBasket:
    """Price each line with the product that `find` returns for its id.

    Raises:
        UnpriceableError: A product is unknown, or the products have several currencies.
    """
    known = _known([find(line.product_id) for line in lines])
    currency = known[0].currency
    foreign = [index for index, product in enumerate(known) if product.currency != currency]
    if foreign:
        message = f"The product is not sold in {currency} like the first one; order it separately"
        raise UnpriceableError([(f"items.{index}.product_id", message) for index in foreign])
    items = tuple(
        PricedLine(product_id=line.product_id, quantity=line.quantity, unit_price_minor=product.unit_price_minor)
        for line, product in zip(lines, known, strict=True)
    )
    return PricedBasket(items=items, currency=currency, total_minor=sum(item.total_minor for item in items))


def _known(products: Sequence[Product | None]) -> list[Product]:
    unknown = [f"items.{index}.product_id" for index, product in enumerate(products) if product is None]
    if unknown:
        raise UnpriceableError([(field, "There is no such product") for field in unknown])
    return [product for product in products if product is not None]
