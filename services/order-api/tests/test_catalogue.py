import asyncio
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.parsers import ResponseParserError
from structlog.testing import capture_logs

from flashbus.clients import aws_client
from order_api.catalogue import Catalogue, CatalogueError, CatalogueNotLoadedError, Product
from order_api.dynamo_products import DynamoProducts
from order_api.testing import PEN, PHONE, FakeProducts, wait_until

OFTEN = timedelta(milliseconds=2)
SELDOM = timedelta(hours=1)


async def test_nothing_is_found_or_ready_before_the_first_load() -> None:
    catalogue = Catalogue(source=FakeProducts(PEN), refresh=SELDOM)
    assert not await catalogue.check()
    with pytest.raises(CatalogueNotLoadedError):
        catalogue.find("pen")


async def test_products_are_found_once_loaded() -> None:
    async with Catalogue(source=FakeProducts(PEN), refresh=SELDOM) as catalogue:
        await wait_until(lambda: catalogue.is_loaded)
        assert await catalogue.check()
        assert catalogue.find("pen") == PEN
        assert catalogue.find("phone-x") is None


async def test_a_changed_price_is_seen_after_a_refresh() -> None:
    source = FakeProducts(PEN)
    async with Catalogue(source=source, refresh=OFTEN) as catalogue:
        await wait_until(lambda: catalogue.is_loaded)
        source.products = {"phone-x": PHONE}
        await wait_until(lambda: catalogue.find("phone-x") == PHONE)
        assert catalogue.find("pen") is None


async def test_the_old_copy_serves_while_the_source_fails() -> None:
    source, failures = FakeProducts(PEN), asyncio.Queue[int]()
    catalogue = Catalogue(source=source, refresh=OFTEN, on_failure=lambda: failures.put_nowait(1))
    with capture_logs() as lines:
        async with catalogue:
            await wait_until(lambda: catalogue.is_loaded)
            source.down = True
            await failures.get()
            assert catalogue.find("pen") == PEN
            assert await catalogue.check()
            source.products, source.down = {"phone-x": PHONE}, False
            await wait_until(lambda: catalogue.find("phone-x"))
    failed = [line for line in lines if line["event"] == "catalogue_refresh_failed"]
    assert failed
    assert failed[0]["stale"] is True


class ScanClient:
    """A DynamoDB client whose scan ends as it is told."""

    def __init__(self, outcome: Mapping[str, Any] | Exception) -> None:
        self._outcome = outcome

    async def scan(self, **_arguments: object) -> Mapping[str, Any]:
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ({"message": "<html>welcome</html>"}, "the answer has no items"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "UnicodeDecodeError: .*invalid start byte"),
        (AttributeError("'list' object has no attribute 'get'"), "AttributeError: 'list' object"),
        (ResponseParserError("no JSON"), "ResponseParserError: no JSON"),
    ],
    ids=repr,
)
async def test_what_is_no_answer_of_dynamodb_is_no_empty_shop(
    outcome: Mapping[str, Any] | Exception, said: str
) -> None:
    with pytest.raises(CatalogueError, match=said):
        await DynamoProducts(client=ScanClient(outcome), table="products").load()


async def test_an_empty_source_is_an_empty_shop_and_ready() -> None:
    source, sizes, failures = FakeProducts(), list[int](), list[int]()
    catalogue = Catalogue(source=source, refresh=OFTEN, on_refresh=sizes.append, on_failure=lambda: failures.append(1))
    with capture_logs() as lines:
        async with catalogue:
            await wait_until(lambda: source.loads > 2)
            assert await catalogue.check()
            assert catalogue.find("pen") is None
            source.products = {"pen": PEN}
            await wait_until(lambda: catalogue.find("pen") == PEN)
    assert (sizes[0], failures) == (0, [])
    assert [line["event"] for line in lines] == ["catalogue_empty"]


async def test_products_that_were_withdrawn_are_sold_no_longer_the_last_one_neither() -> None:
    source = FakeProducts(PEN, PHONE)
    with capture_logs() as lines:
        async with Catalogue(source=source, refresh=OFTEN) as catalogue:
            await wait_until(lambda: catalogue.is_loaded)
            del source.products["phone-x"]
            await wait_until(lambda: catalogue.find("phone-x") is None)
            assert catalogue.find("pen") == PEN
            source.products.clear()
            await wait_until(lambda: catalogue.find("pen") is None)
            assert await catalogue.check()
    assert [(line["event"], line["products_before"]) for line in lines] == [("catalogue_empty", 1)]


async def test_an_empty_shop_is_filled_soon_and_not_after_a_whole_refresh() -> None:
    source = FakeProducts()
    async with Catalogue(source=source, refresh=SELDOM) as catalogue:
        await wait_until(lambda: source.loads)
        source.products = {"pen": PEN}
        await wait_until(lambda: catalogue.find("pen") == PEN)


@pytest.mark.parametrize(
    ("products", "refresh", "pause"), [([], 30, 1), ([], 0.5, 0.5), ([PEN], 30, 30), ([PEN], 0.5, 0.5)]
)
async def test_a_shop_with_nothing_to_sell_is_read_again_after_a_second_at_most(
    products: list[Product], refresh: float, pause: float
) -> None:
    catalogue = Catalogue(source=FakeProducts(*products), refresh=timedelta(seconds=refresh))
    assert await catalogue.refresh()
    assert catalogue._pause() == timedelta(seconds=pause)


class BrokenOnceProducts:
    def __init__(self) -> None:
        self.loads = 0

    async def load(self) -> Mapping[str, Product]:
        self.loads += 1
        if self.loads == 2:
            raise ZeroDivisionError("a bug")
        return {"pen": PEN} if self.loads == 1 else {"phone-x": PHONE}


async def test_a_bug_in_one_refresh_does_not_end_the_refreshing() -> None:
    failures = list[int]()
    with capture_logs() as lines:
        catalogue = Catalogue(source=BrokenOnceProducts(), refresh=OFTEN, on_failure=lambda: failures.append(1))
        async with catalogue:
            await wait_until(lambda: catalogue.is_loaded and catalogue.find("phone-x"))
    assert [line["event"] for line in lines] == ["catalogue_refresh_crashed"]
    assert failures == [1]


class HangingProducts:
    async def load(self) -> Mapping[str, Product]:
        await asyncio.Event().wait()
        raise AssertionError


async def test_leaving_does_not_wait_for_a_source_that_hangs() -> None:
    async with asyncio.timeout(2):
        async with Catalogue(source=HangingProducts(), refresh=SELDOM) as catalogue:
            await asyncio.sleep(0)
    assert not catalogue.is_loaded


def row(product_id: str, price: str = "250", currency: str = "EUR") -> dict[str, dict[str, str]]:
    return {
        "product_id": {"S": product_id},
        "name": {"S": product_id.title()},
        "unit_price_minor": {"N": price},
        "currency": {"S": currency},
    }


class OnePage:
    def __init__(self, *rows: object) -> None:
        self._rows = rows

    async def scan(self, **_arguments: object) -> Mapping[str, Any]:
        return {"Items": list(self._rows)}


@pytest.mark.parametrize(
    "bad",
    [
        row("UPPER"),
        row("pen-2", price="-1"),
        row("pen-2", price="2.5"),
        row("pen-2", price="1" + "0" * 30),
        row("pen-2", currency="euro"),
        {"product_id": {"S": "pen-2"}},
        {"product_id": {"S": "pen-2"}, "name": {"N": "1"}, "unit_price_minor": {"S": "x"}, "currency": {"S": "EUR"}},
        row("pen-2") | {"name": {"S": "a lone surrogate \ud83d"}},
        row("pen-2") | {"name": {"S": 7}},
        row("pen-2") | {"name": {"S": "\N{EURO SIGN}" * 342}},
        row("pen-2") | {"currency": {"S": None}},
        row("pen-2") | {"product_id": {"S": ["pen-2"]}},
        "pen-2",
        None,
    ],
)
async def test_a_bad_row_is_left_out_and_the_others_stay_for_sale(bad: object) -> None:
    with capture_logs() as lines:
        products = await DynamoProducts(client=OnePage(bad, row("pen")), table="t").load()
    assert list(products) == ["pen"]
    assert [line["event"] for line in lines] == ["product_invalid"]


async def test_a_name_has_at_most_a_kilobyte() -> None:
    longest = "\N{EURO SIGN}" * 341 + "."
    products = await DynamoProducts(client=OnePage(row("pen") | {"name": {"S": longest}}), table="t").load()
    assert products["pen"].name == longest


@pytest.mark.parametrize("items", [None, 7, "pen", {"pen": 1}])
async def test_an_answer_without_a_list_of_rows_is_no_catalogue(items: object) -> None:
    class Page(OnePage):
        async def scan(self, **_arguments: object) -> Mapping[str, Any]:
            return {"Items": items}

    with pytest.raises(CatalogueError, match="the answer has no items"):
        await DynamoProducts(client=Page(), table="t").load()


async def test_a_bad_row_of_the_largest_size_makes_a_short_line() -> None:
    bad = row("pen-2", price="9" * 5_000) | {"name": {"S": "x" * 400_000}}
    with capture_logs() as lines:
        products = await DynamoProducts(client=OnePage(bad, row("pen")), table="t").load()
    assert list(products) == ["pen"]
    assert len(str(lines)) < 500
    assert "pen-2" in str(lines)


async def test_of_a_bad_row_a_hundred_characters_of_its_id_are_logged() -> None:
    with capture_logs() as lines:
        await DynamoProducts(client=OnePage({"product_id": "x" * 300}, "y" * 300), table="t").load()
    assert [line["product_id"] for line in lines] == ["x" * 100, "y" * 100]


async def test_a_page_has_a_thousand_products_and_what_is_sold_of_them() -> None:
    asked: list[Mapping[str, Any]] = []

    class NotingPage(OnePage):
        async def scan(self, **arguments: object) -> Mapping[str, Any]:
            asked.append(arguments)
            return await super().scan(**arguments)

    await DynamoProducts(client=NotingPage(), table="t").load()
    assert asked == [
        {
            "TableName": "t",
            "Limit": 1000,
            "ProjectionExpression": "product_id, #name, unit_price_minor, currency",
            "ExpressionAttributeNames": {"#name": "name"},
        }
    ]


@pytest.mark.parametrize(("price", "sold"), [("0", True), (str(10**12), True), (str(10**12 + 1), False)])
async def test_a_price_may_be_nothing_and_has_a_most(price: str, *, sold: bool) -> None:
    products = await DynamoProducts(client=OnePage(row("pen", price=price)), table="t").load()
    assert [product.unit_price_minor for product in products.values()] == ([int(price)] if sold else [])


@pytest.mark.embedded_aws
@pytest.mark.usefixtures("aws")
async def test_the_whole_table_is_read_page_by_page() -> None:
    table = f"products-{uuid.uuid4().hex[:8]}"
    async with aws_client("dynamodb") as client:
        await client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "product_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "product_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(23):
            await client.put_item(TableName=table, Item=row(f"thing-{number}", price=str(number)))
        products = await DynamoProducts(client=client, table=table, page_size=5).load()
    assert {product.unit_price_minor for product in products.values()} == set(range(23))
    assert products["thing-7"] == Product(product_id="thing-7", name="Thing-7", unit_price_minor=7, currency="EUR")


@pytest.mark.embedded_aws
@pytest.mark.usefixtures("aws")
async def test_a_missing_table_is_a_catalogue_error() -> None:
    async with aws_client("dynamodb", max_attempts=1) as client:
        with pytest.raises(CatalogueError, match="ResourceNotFound"):
            await DynamoProducts(client=client, table="no-such-table").load()
