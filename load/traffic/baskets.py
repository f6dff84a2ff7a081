"""What shoppers order: drawn alike by both load generators, and the same for the same seed."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

MOST_LINES = 3
MOST_OF_ONE = 3


class Baskets:
    """Draws what is ordered, as a plan says.

    With `products` each order is one unit of one of them, so that what there are few of is counted in orders.
    Without, it is some of whatever the `catalogue` file holds.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        """Read the catalogue, if it is needed."""
        self._wanted: list[str] = list(plan.get("products", []))
        self._catalogue = [] if self._wanted else _product_ids(Path(plan["catalogue"]))

    def draw(self, choice: Random) -> list[dict[str, Any]]:
        """The lines of the next order."""
        if self._wanted:
            return [{"product_id": choice.choice(self._wanted), "quantity": 1}]
        chosen = choice.sample(self._catalogue, k=choice.randint(1, min(MOST_LINES, len(self._catalogue))))
        return [{"product_id": product, "quantity": choice.randint(1, MOST_OF_ONE)} for product in chosen]


def only_product(items: list[dict[str, Any]]) -> str:
    """The product of an order of one line; empty for more."""
    return str(items[0]["product_id"]) if len(items) == 1 else ""


def _product_ids(catalogue: Path) -> list[str]:
    return [product["product_id"] for product in json.loads(catalogue.read_text(encoding="utf-8"))]
