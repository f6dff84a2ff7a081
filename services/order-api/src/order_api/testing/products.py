"""A fake of the catalogue's source for tests."""

from collections.abc import Mapping

from order_api.catalogue import CatalogueError, Product


class FakeProducts:
    """A catalogue's source in memory.

    Attributes:
        products: What the next load returns.
        down: While set, loads fail.
        loads: How often it was read.
    """

    def __init__(self, *products: Product) -> None:
        self.products = {product.product_id: product for product in products}
        self.down = False
        self.loads = 0

    async def load(self) -> Mapping[str, Product]:
        """See `ProductSource.load`."""
        self.loads += 1
        if self.down:
            raise CatalogueError("the fake source is down")
        return dict(self.products)
