"""What shoppers order: drawn alike by both load generators, and the same for the same seed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

MOST_LINES = 3
MOST_OF_ONE = 3


class Baskets:
    """Draws what is ordered.

    With `wanted` products each order is one unit of one of them, so that what there are few of is counted in orders.
    Without, it is some of whatever the catalogue holds.
    """

    def __init__(self, *, wanted: Sequence[str] = (), catalogue: Sequence[str] = ()) -> None:
        """Take product ids."""
        self._wanted = list(wanted)
        self._catalogue = list(catalogue)

    @classmethod
    def of_plan(cls, plan: Mapping[str, Any]) -> "Baskets":
        """As a plan says; the catalogue's file is read, if it is needed."""
        return cls.of_products(plan.get("products", []), Path(plan["catalogue"]))

    @classmethod
    def of_products(cls, wanted: Sequence[str], catalogue: Path) -> "Baskets":
        """One unit of one of these products; if there are none, some of whatever the catalogue's file holds."""
        return cls(wanted=wanted, catalogue=[] if wanted else product_ids(catalogue))

    def draw(self, choice: Random) -> list[dict[str, Any]]:
        """The lines of the next order."""
        if self._wanted:
            return [{"product_id": choice.choice(self._wanted), "quantity": 1}]
        chosen = choice.sample(self._catalogue, k=choice.randint(1, min(MOST_LINES, len(self._catalogue))))
        return [{"product_id": product, "quantity": choice.randint(1, MOST_OF_ONE)} for product in chosen]


class Customer:
    """One customer: everything they do follows from their number and the seed."""

    def __init__(self, number: int, *, seed: int, baskets: Baskets, think: tuple[float, float] | None = None) -> None:
        """With `think` they wait between their orders, at least and at most so many seconds."""
        self._number = number
        self._baskets = baskets
        self._think = think
        self._choice = Random(f"{seed}/{number}")  # noqa: S311  # reproducible, not secret
        self.think_seconds = 0.0

    def order(self) -> dict[str, Any]:
        """Draw the next order, and how long they think after its answer."""
        if self._think is not None:
            self.think_seconds = self._choice.uniform(*self._think)
        return {"customer_id": self._number, "items": self._baskets.draw(self._choice)}


def product_ids(catalogue: Path) -> list[str]:
    """The ids of a catalogue file's products, in its order."""
    return [product["product_id"] for product in json.loads(catalogue.read_text(encoding="utf-8"))]
