"""The catalogue on the laptop: products and their stock from a file into the tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from flashstock.dynamo import dynamo_stock
from flashstock.levels import MAX_UNITS
from local.aws import aws_client

CATALOGUE = Path(__file__).with_name("catalogue.json")
BATCH = 25  # BatchWriteItem takes at most 25 puts


class CatalogueError(Exception):
    """The catalogue file is not a list of products; the message names the entry and the field."""


class Product(BaseModel):
    """One product on sale; the price is in minor units of its currency.

    Attributes:
        stock: How many there are; as many as anybody wants when absent.
        customer_limit: How many of them one customer may buy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    product_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    name: str = Field(min_length=1)
    unit_price_minor: int = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    stock: int | None = Field(default=None, ge=0, le=MAX_UNITS)
    customer_limit: int | None = Field(default=None, ge=1, le=MAX_UNITS)

    @model_validator(mode="after")
    def _limits_what_there_is(self) -> Self:
        if self.customer_limit is not None and self.stock is None:
            raise ValueError("customer_limit: only a product with stock has one")
        return self


def load_catalogue(file: Path = CATALOGUE) -> tuple[Product, ...]:
    """Read a catalogue file; raises CatalogueError naming what is wrong in it."""
    try:
        products = TypeAdapter(tuple[Product, ...]).validate_json(file.read_bytes(), strict=False)
    except (ValidationError, OSError) as exc:
        raise CatalogueError(f"{file}: {exc}") from exc
    if not products:
        raise CatalogueError(f"{file}: no products")
    return products


def stocked(products: Sequence[Product], stock: Mapping[str, int]) -> tuple[Product, ...]:
    """The products with other numbers of units; raises CatalogueError for a number of what there is not."""
    unknown = stock.keys() - {product.product_id for product in products}
    if unknown:
        raise CatalogueError(f"stock: {', '.join(sorted(unknown))}: no such product in the catalogue")
    return tuple(
        product.model_copy(update={"stock": stock.get(product.product_id, product.stock)}) for product in products
    )


async def seed_catalogue(environment: Mapping[str, str], *, table: str, products: Sequence[Product]) -> None:
    """Write every product into the products table; raises CatalogueError when some are refused."""
    async with aws_client("dynamodb", environment) as dynamodb:
        for start in range(0, len(products), BATCH):
            puts = [{"PutRequest": {"Item": _item(product)}} for product in products[start : start + BATCH]]
            answer = await dynamodb.batch_write_item(RequestItems={table: puts})
            if answer.get("UnprocessedItems"):
                raise CatalogueError(f"table {table} did not take every product")


async def seed_stock(environment: Mapping[str, str], *, table: str, products: Sequence[Product]) -> None:
    """Limit every product that has a stock to it."""
    async with aws_client("dynamodb", environment) as dynamodb:
        counters = dynamo_stock(client=dynamodb, table=table).counters
        for product in products:
            if product.stock is not None:
                await counters.set_total(product.product_id, product.stock)
                await counters.set_customer_limit(product.product_id, product.customer_limit)


def _item(product: Product) -> dict[str, dict[str, str]]:
    return {
        "product_id": {"S": product.product_id},
        "name": {"S": product.name},
        "unit_price_minor": {"N": str(product.unit_price_minor)},
        "currency": {"S": product.currency},
    }
