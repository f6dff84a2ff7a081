"""The DynamoDB tables: the ledger of orders, the catalogue of products, and the stock of the limited ones."""

from dataclasses import dataclass

from troposphere import If, NoValue, Output, Template, dynamodb

from cloudformation.resources.encryption import Encryption
from cloudformation.resources.retention import when_removed, when_replaced


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables others read and write."""

    orders: dynamodb.Table
    products: dynamodb.Table
    stock: dynamodb.Table


def add_tables(template: Template, *, encryption: Encryption, retain_data_on: str) -> Tables:
    """Add the tables: on demand, with point-in-time recovery, kept on deletion unless told otherwise."""
    return Tables(
        orders=_add_table(template, "OrdersTable", "order_id", encryption, retain_data_on),
        products=_add_table(template, "ProductsTable", "product_id", encryption, retain_data_on),
        stock=_add_table(template, "StockTable", "id", encryption, retain_data_on),
    )


def _add_table(template: Template, title: str, key: str, encryption: Encryption, retain_data_on: str) -> dynamodb.Table:
    # No name of ours: a table that outlived its stack must not stand in the way of the next one.
    table = template.add_resource(
        dynamodb.Table(
            title,
            AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName=key, AttributeType="S")],
            KeySchema=[dynamodb.KeySchema(AttributeName=key, KeyType="HASH")],
            BillingMode="PAY_PER_REQUEST",
            PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
            SSESpecification=If(
                encryption.customer_key_on,
                dynamodb.SSESpecification(
                    SSEEnabled=True, SSEType="KMS", KMSMasterKeyId=encryption.customer_key.get_att("Arn")
                ),
                NoValue,
            ),
            DeletionPolicy=when_removed(retain_data_on),
            UpdateReplacePolicy=when_replaced(retain_data_on),
        )
    )
    template.add_output(Output(f"{title}Name", Description=f"DynamoDB table keyed by {key}", Value=table.ref()))
    return table
