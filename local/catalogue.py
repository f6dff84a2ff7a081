"""The catalogue on the laptop: products from a file into the products table."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from local.aws import aws_client

CATALOGUE = Path(__file__).with_name("catalogue.json")
BATCH = 25  # BatchWriteItem takes at most 25 puts


class CatalogueError(Exception):
    """The catalogue file is not a list of products; the message names the entry and the field."""


class Product(BaseModel):
    """One product on sale; the price is in minor units of its currency."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    product_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    name: str = Field(min_length=1)
    unit_price_minor: int = Field(ge=0)
    currency: str = Field(pattern=r"^[A-Z]{3}$")


def load_catalogue(file: Path = CATALOGUE) -> tuple[Product, ...]:
    """Read a catalogue file; raises CatalogueError naming what is wrong in it."""
    try:
        products = TypeAdapter(tuple[Product, ...]).validate_json(file.read_bytes(), strict=False)
    except (ValidationError, OSError) as exc:
        raise CatalogueError(f"{file}: {exc}") from exc
    if not products:
        raise CatalogueError(f"{file}: no products")
    return products


async def seed_catalogue(environment: Mapping[str, str], *, table: str, products: Sequence[Product]) -> None:
    """Write every product into the products table; raises CatalogueError when some are refused."""
    async with aws_client("dynamodb", environment) as dynamodb:
        for start in range(0, len(products), BATCH):
            puts = [{"PutRequest": {"Item": _item(product)}} for product in products[start : start + BATCH]]
            answer = await dynamodb.batch_write_item(RequestItems={table: puts})
            if answer.get("UnprocessedItems"):
                raise CatalogueError(f"table {table} did not take every product")


def _item(product: Product) -> dict[str, dict[str, str]]:
    return {
        "product_id": {"S": product.product_id},
        "name": {"S": product.name},
        "unit_price_minor": {"N": str(product.unit_price_minor)},
        "currency": {"S": product.currency},
    }
