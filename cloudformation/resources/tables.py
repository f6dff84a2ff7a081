"""The DynamoDB tables: the ledger of orders, the catalogue of products, and the stock of the limited ones."""

from dataclasses import dataclass

from troposphere import If, NoValue, Output, Template, dynamodb

from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.resources.encryption import Encryption
from cloudformation.resources.retention import when_removed, when_replaced


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables others read and write."""

    orders: dynamodb.Table
    products: dynamodb.Table
    stock: dynamodb.Table


def add_tables(template: Template, *, parameters: PipelineParameters, encryption: Encryption) -> Tables:
    """Add the tables: on demand, with point-in-time recovery, kept on deletion unless told otherwise."""
    return Tables(
        orders=_add_table(template, "OrdersTable", "order_id", encryption, parameters),
        products=_add_table(template, "ProductsTable", "product_id", encryption, parameters),
        stock=_add_table(template, "StockTable", "id", encryption, parameters),
    )


def _add_table(
    template: Template, title: str, key: str, encryption: Encryption, parameters: PipelineParameters
) -> dynamodb.Table:
    # No name of ours: a table that outlived its stack must not stand in the way of the next one.
    table = template.add_resource(
        dynamodb.Table(
            title,
            AttributeDefinitions=[dynamodb.AttributeDefinition(AttributeName=key, AttributeType="S")],
            KeySchema=[dynamodb.KeySchema(AttributeName=key, KeyType="HASH")],
            BillingMode="PAY_PER_REQUEST",
            DeletionProtectionEnabled=parameters.deletion_protection.ref(),
            PointInTimeRecoverySpecification=dynamodb.PointInTimeRecoverySpecification(PointInTimeRecoveryEnabled=True),
            SSESpecification=If(
                encryption.customer_key_on,
                dynamodb.SSESpecification(
                    SSEEnabled=True, SSEType="KMS", KMSMasterKeyId=encryption.customer_key.get_att("Arn")
                ),
                NoValue,
            ),
            DeletionPolicy=when_removed(parameters.retain_data_on),
            UpdateReplacePolicy=when_replaced(parameters.retain_data_on),
        )
    )
    template.add_output(Output(f"{title}Name", Description=f"DynamoDB table keyed by {key}", Value=table.ref()))
    return table
