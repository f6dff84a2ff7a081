"""The example runs, and the README shows what runs."""

import inspect
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flashbus.publisher import GroupCommitPublisher, PublishError
from flashbus.testing import FakeTopic
from flashmsg import Order, OrderPlaced, PricedLine, decode
from flashstock.errors import SoldOutError
from flashstock.settlement_writer import SettlementWriter
from flashstock.testing import Sale

LIBRARY = Path(__file__).resolve().parent.parent
EXAMPLE = LIBRARY / "examples" / "limited_order.py"


@pytest.fixture
def example() -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLE))


def order(quantity: int) -> Order:
    line = PricedLine(product_id="cap", quantity=quantity, unit_price_minor=100)
    return Order(
        order_id="ord_" + "a" * 26,
        customer_id=1,
        items=(line,),
        currency="USD",
        total_minor=line.total_minor,
        created_at=datetime(2026, 11, 27, tzinfo=UTC),
    )


def test_the_readme_shows_what_runs(example: dict[str, Any]) -> None:
    assert inspect.getsource(example["place"]) in (LIBRARY / "README.md").read_text()


@pytest.mark.parametrize("paid", [True, False])
async def test_an_order_is_placed_and_ended(sale: Sale, example: dict[str, Any], *, paid: bool) -> None:
    await sale.stock.counters.set_total("cap", 5)
    topic = FakeTopic()
    async with sale.seller() as seller, GroupCommitPublisher(topic=topic) as publisher:
        await example["place"](order(3), seller, publisher)
        with pytest.raises(SoldOutError):
            await example["place"](order(3), seller, publisher)
    (body,) = [entry.message for entry in topic.published]
    event: OrderPlaced = decode(body)
    async with SettlementWriter(endings=sale.stock.endings) as writer:
        await example["end"](event, writer, paid=paid)
        await example["end"](OrderPlaced.of(order(1)), writer, paid=paid)
    level = await sale.level()
    assert (level.available, level.reserved, level.sold) == ((2, 0, 3) if paid else (5, 0, 0))


@pytest.mark.parametrize("certain", [True, False])
async def test_an_order_that_is_not_published_is_withdrawn_or_published_again(
    sale: Sale, example: dict[str, Any], *, certain: bool
) -> None:
    class Failing:
        async def publish(self, _entry: object) -> None:
            raise PublishError("unavailable", certain=certain)

    await sale.stock.counters.set_total("cap", 5)
    async with sale.seller() as seller:
        with pytest.raises(PublishError):
            await example["place"](order(3), seller, Failing())
    assert len(sale.published) == (0 if certain else 1)
    assert (await sale.level()).reserved == (0 if certain else 3)
