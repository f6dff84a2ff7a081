from pathlib import Path

import pytest

from local.aws import aws_client
from local.catalogue import CatalogueError, Product, load_catalogue, seed_catalogue
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
        ('[{"product_id": "a", "name": "x", "unit_price_minor": 1, "currency": "USD", "stock": 3}]', "stock"),
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
