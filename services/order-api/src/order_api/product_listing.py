"""What is for sale as clients read it: rendered once for every copy of prices and stock, not for every request."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from pydantic import BaseModel

from flashstock.levels import StockLevel
from order_api.catalogue import Catalogue, Product
from order_api.stock_levels import StockLevels
from order_api.views import ProductList, ProductView


@dataclass(frozen=True, slots=True, kw_only=True)
class Representation:
    """A body and the strong validator that stands for exactly these bytes, without its quotation marks."""

    body: bytes
    etag: str


class ProductListing:
    """Prices and what is left, as old as their copies in memory: a second, and a refresh of the catalogue."""

    def __init__(self, *, catalogue: Catalogue, stock: StockLevels) -> None:
        self._catalogue = catalogue
        self._stock = stock
        self._products: Mapping[str, Product] = {}
        self._levels: Mapping[str, StockLevel] = {}
        self._rendered: dict[str | None, Representation] = {}

    def all(self) -> Representation:
        """Return every product, by id.

        Raises:
            CatalogueNotLoadedError: There are no prices yet.
            StockNotLoadedError: It is not known yet what is limited.
        """
        self._look_again()
        if None not in self._rendered:
            products = tuple(self._view(product_id) for product_id in sorted(self._products))
            self._rendered[None] = _represented(ProductList(products=products))
        return self._rendered[None]

    def one(self, product_id: str) -> Representation | None:
        """Return one product, None for one that is not for sale.

        Raises:
            CatalogueNotLoadedError: There are no prices yet.
            StockNotLoadedError: It is not known yet what is limited.
        """
        self._look_again()
        if product_id not in self._products:
            return None
        if product_id not in self._rendered:
            self._rendered[product_id] = _represented(self._view(product_id))
        return self._rendered[product_id]

    def _look_again(self) -> None:
        products, levels = self._catalogue.products, self._stock.levels
        # Every refresh makes new objects, so that these two comparisons are all that a request costs.
        if products is not self._products or levels is not self._levels:
            self._products, self._levels = products, levels
            self._rendered = {}

    def _view(self, product_id: str) -> ProductView:
        product, level = self._products[product_id], self._levels.get(product_id)
        return ProductView(
            product_id=product_id,
            name=product.name,
            unit_price_minor=product.unit_price_minor,
            currency=product.currency,
            available=None if level is None else level.available,
            customer_limit=None if level is None else level.customer_limit,
        )


def _represented(model: BaseModel) -> Representation:
    body = model.model_dump_json(exclude_none=True).encode()
    return Representation(body=body, etag=sha256(body).hexdigest()[:32])
