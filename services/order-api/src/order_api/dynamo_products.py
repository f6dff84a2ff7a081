"""The products table on DynamoDB."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import aiohttp
import structlog
from botocore.exceptions import BotoCoreError, ClientError

from flashmsg import MAX_UNIT_PRICE_MINOR
from flashstock.dynamo import garbled
from order_api.catalogue import CatalogueError, Product

_PRODUCT_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_NAME_LIMIT_BYTES = 1024
_SHOWN_CHARACTERS = 100

log = structlog.get_logger()


class DynamoClient(Protocol):
    """The one call that we make of an aiobotocore DynamoDB client."""

    async def scan(self, **arguments: object) -> Mapping[str, Any]:
        """Read one page of a table."""


class DynamoProducts:
    """The products table as the catalogue's `ProductSource`."""

    def __init__(self, *, client: DynamoClient, table: str, page_size: int = 1_000) -> None:
        """Take an open client; whoever opened it closes it."""
        self._client = client
        self._table = table
        self._page_size = page_size

    async def load(self) -> Mapping[str, Product]:
        """Read the whole table, page by page.

        A row that is no product is left out with a log line: one bad row must not close the shop.

        Raises:
            CatalogueError: The table could not be read.
        """
        products: dict[str, Product] = {}
        position: dict[str, object] = {}
        while True:
            page = await self._page(position)
            products |= {product.product_id: product for product in _products(page["Items"])}
            if not page.get("LastEvaluatedKey"):
                return products
            position = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    async def _page(self, position: Mapping[str, object]) -> Mapping[str, Any]:
        try:
            page = await self._client.scan(
                TableName=self._table,
                Limit=self._page_size,
                # `name` is a reserved word.
                ProjectionExpression="product_id, #name, unit_price_minor, currency",
                ExpressionAttributeNames={"#name": "name"},
                **position,
            )
        except (BotoCoreError, ClientError, aiohttp.ClientError, OSError, *garbled()) as exc:
            raise CatalogueError(f"{type(exc).__name__}: {exc}") from exc
        if not isinstance(page.get("Items"), list):  # a proxy's page, not an empty shop
            raise CatalogueError("the answer has no items")
        return page


def is_product_id(text: str) -> bool:
    """Whether a row of the catalogue may have this id."""
    return _PRODUCT_ID.fullmatch(text) is not None


def _products(rows: Iterable[Any]) -> Iterator[Product]:
    for row in rows:
        product = _product(row)
        if product is None:
            log.warning("product_invalid", product_id=_shown(row))
        else:
            yield product


def _product(row: Any) -> Product | None:  # noqa: ANN401 - whatever the table holds
    try:
        product = Product(
            product_id=row["product_id"]["S"],
            name=row["name"]["S"],
            unit_price_minor=int(row["unit_price_minor"]["N"]),
            currency=row["currency"]["S"],
        )
        sound = (
            is_product_id(product.product_id)
            and _CURRENCY.fullmatch(product.currency)
            and 0 <= product.unit_price_minor <= MAX_UNIT_PRICE_MINOR
            # It is in every listing: one that cannot be encoded, or is huge, would be everybody's trouble.
            and len(str.encode(product.name)) <= _NAME_LIMIT_BYTES
        )
    except (KeyError, ValueError, TypeError):
        return None
    return product if sound else None


def _shown(row: Any) -> str:  # noqa: ANN401 - likewise
    # A row may hold 400 KB, and is read again every half minute: enough of it to find it by.
    return str(row.get("product_id") if isinstance(row, dict) else row)[:_SHOWN_CHARACTERS]
