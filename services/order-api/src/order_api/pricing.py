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
    items: list[PricedLine] = []
    products: list[Product] = []
    for line in lines:
        product = find(line.product_id)
        if product is None:
            raise _unknown(lines, find)
        products.append(product)
        items.append(
            PricedLine(product_id=line.product_id, quantity=line.quantity, unit_price_minor=product.unit_price_minor)
        )
    total_minor = sum([item.total_minor for item in items])
    return PricedBasket(items=tuple(items), currency=_one_currency(products), total_minor=total_minor)


def _one_currency(products: Sequence[Product]) -> str:
    currency = products[0].currency
    foreign = [index for index, product in enumerate(products) if product.currency != currency]
    if foreign:
        message = f"The product is not sold in {currency} like the first one; order it separately"
        raise UnpriceableError([(f"items.{index}.product_id", message) for index in foreign])
    return currency


def _unknown(lines: Sequence[RequestedLine], find: Callable[[str], Product | None]) -> UnpriceableError:
    unknown = [index for index, line in enumerate(lines) if find(line.product_id) is None]
    return UnpriceableError([(f"items.{index}.product_id", "There is no such product") for index in unknown])
