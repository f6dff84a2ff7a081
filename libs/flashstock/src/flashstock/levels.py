"""What a product's item in the stock table says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flashstock.table import Item

MAX_UNITS = 10**9
"""The most units of one product: every sum of a sale stays an exact number everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Units of one product in the hands of one session.

    Attributes:
        units: Granted and not returned; what was sold out of them since still counts.
        sequence: Counts the changes, so that one which arrives late changes nothing.
    """

    units: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StockLevel:
    """The counters of one product: at every moment total = available + reserved + sold, and none is negative.

    `customer_limit` is the most that one customer may buy, None for no limit. See `Limits`.
    """

    product_id: str
    total: int
    available: int
    reserved: int
    sold: int
    customer_limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product's counters, and the sessions that sell it."""

    level: StockLevel
    leases: Mapping[str, Lease]


def product_key(product_id: str) -> str:
    """The key of a product's item."""
    return f"product#{product_id}"


def read_product(item: Item) -> Product:
    """What the item says."""
    counters: Any = item
    level = StockLevel(
        product_id=str(item["id"]).removeprefix("product#"),
        **{name: counters[name] for name in ("total", "available", "reserved", "sold")},
        customer_limit=counters.get("customer_limit"),
    )
    return Product(level=level, leases={name: Lease(**lease) for name, lease in counters["leases"].items()})
