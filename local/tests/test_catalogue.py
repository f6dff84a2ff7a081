from pathlib import Path

import pytest

from flashstock.dynamo import dynamo_stock
from local.aws import aws_client
from local.catalogue import CatalogueError, Product, load_catalogue, seed_catalogue, seed_stock, stocked
from local.emulator import RunningEmulator


def test_the_shipped_catalogue_has_products_of_one_currency() -> None:
    products = load_catalogue()
    assert len({product.product_id for product in products}) == len(products) >= 5
    assert {product.currency for product in products} == {"USD"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "JSON"),
        ("[]", "no products"),
        ('[{"product_id": "A b", "name": "x", "unit_price_minor": 1, "currency": "USD"}]', "product_id"),
        ('[{"product_id": "a", "name": "x", "unit_price_minor": -1, "currency": "USD"}]', "unit_price_minor"),
        ('[{"product_id": "a", "name": "x", "unit_price_minor": 1.5, "currency": "USD"}]', "unit_price_minor"),
        ('[{"product_id": "a", "name": "x", "unit_price_minor": 1, "currency": "usd"}]', "currency"),
        ('[{"product_id": "a", "name": "x", "unit_price_minor": 1, "currency": "USD", "units": 3}]', "units"),
        ('[{"product_id": "a", "name": "x", "unit_price_minor": 1, "currency": "USD", "stock": -1}]', "stock"),
        ('[{"product_id": "a", "name": "x", "unit_price_minor": 1, "currency": "USD", "stock": 0.5}]', "stock"),
        ('[{"product_id": "a", "name": "x", "unit_price_minor": 1, "currency": "USD", "stock": 1e12}]', "stock"),
        (
            '[{"product_id": "a", "name": "x", "unit_price_minor": 1, "currency": "USD", "customer_limit": 2}]',
            "customer_limit",
        ),
    ],
)
def test_a_wrong_catalogue_is_refused_with_the_field_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text(text)
    with pytest.raises(CatalogueError, match=named):
        load_catalogue(file)


@pytest.mark.embedded_aws
async def test_more_products_than_one_batch_are_all_written(embedded_aws: RunningEmulator) -> None:
    products = [Product(product_id=f"p{n}", name="p", unit_price_minor=n, currency="USD") for n in range(60)]
    async with aws_client("dynamodb", embedded_aws.environment) as dynamodb:
        await dynamodb.create_table(
            TableName="catalogue-test",
            KeySchema=[{"AttributeName": "product_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "product_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        await seed_catalogue(embedded_aws.environment, table="catalogue-test", products=products)
        assert (await dynamodb.scan(TableName="catalogue-test", Select="COUNT"))["Count"] == len(products)


def test_a_plan_gives_products_other_stock() -> None:
    pen = Product(product_id="pen", name="Pen", unit_price_minor=1, currency="USD")
    lamp = Product(product_id="lamp", name="Lamp", unit_price_minor=1, currency="USD", stock=5)
    assert [product.stock for product in stocked([pen, lamp], {"pen": 3})] == [3, 5]
    with pytest.raises(CatalogueError, match="chair"):
        stocked([pen], {"chair": 1})


@pytest.mark.embedded_aws
async def test_only_products_with_stock_are_limited(embedded_aws: RunningEmulator) -> None:
    products = [
        Product(product_id="pen", name="Pen", unit_price_minor=1, currency="USD"),
        Product(product_id="lamp", name="Lamp", unit_price_minor=1, currency="USD", stock=100, customer_limit=2),
        Product(product_id="gone", name="Gone", unit_price_minor=1, currency="USD", stock=0),
    ]
    async with aws_client("dynamodb", embedded_aws.environment) as dynamodb:
        await dynamodb.create_table(
            TableName="stock-test",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        await seed_stock(embedded_aws.environment, table="stock-test", products=products)
        levels = await dynamo_stock(client=dynamodb, table="stock-test").counters.all()
    assert [(level.product_id, level.available, level.customer_limit) for level in levels] == [
        ("gone", 0, None),
        ("lamp", 100, 2),
    ]
