"""Prices: the client says what and how many, the catalogue says how much."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flashmsg import PricedLine, RequestedLine
from order_api.catalogue import Product


@dataclass(slots=True, kw_only=True)
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
    currencies: list[str] = []
    total_minor = 0
    for line in lines:
        product = find(line.product_id)
        if product is None:
            raise _unknown(lines, find)
        items.append(_priced(line, product))
        currencies.append(product.currency)
        total_minor += line.quantity * product.unit_price_minor
    if currencies.count(currencies[0]) < len(currencies):
        raise _foreign(currencies)
    return PricedBasket(items=tuple(items), currency=currencies[0], total_minor=total_minor)


def _priced(line: RequestedLine, product: Product) -> PricedLine:
    return PricedLine.of_sound_parts(
        product_id=line.product_id, quantity=line.quantity, unit_price_minor=product.unit_price_minor
    )


def _foreign(currencies: Sequence[str]) -> UnpriceableError:
    message = f"The product is not sold in {currencies[0]} like the first one; order it separately"
    foreign = [index for index, currency in enumerate(currencies) if currency != currencies[0]]
    return UnpriceableError([(f"items.{index}.product_id", message) for index in foreign])


def _unknown(lines: Sequence[RequestedLine], find: Callable[[str], Product | None]) -> UnpriceableError:
    unknown = [index for index, line in enumerate(lines) if find(line.product_id) is None]
    return UnpriceableError([(f"items.{index}.product_id", "There is no such product") for index in unknown])
