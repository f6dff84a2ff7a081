"""The DynamoDB tables: the ledger of orders, the catalogue of products, and the stock of the limited ones."""

from dataclasses import dataclass

from troposphere import If, NoValue, Output, Sub, Template, dynamodb

from cloudformation.parameters.pipeline import PipelineParameters
from cloudformation.resources.encryption import Encryption
from cloudformation.resources.retention import when_removed, when_replaced

# Index and attributes, as the ledger writes and reads them (a test holds it).
UNSETTLED = "unsettled"
EXPIRES_AT = "expires_at"


@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables others read and write."""

    orders: dynamodb.Table
    products: dynamodb.Table
    stock: dynamodb.Table


def add_tables(template: Template, *, parameters: PipelineParameters, encryption: Encryption) -> Tables:
    """Add the tables: on demand, with point-in-time recovery, kept on deletion unless told otherwise."""
    orders = _add_table(template, "OrdersTable", "order_id", encryption, parameters)
    _index_unsettled(orders)
    # Only an order that has ended gets the attribute, and only if it is not to be kept for ever.
    orders.TimeToLiveSpecification = dynamodb.TimeToLiveSpecification(AttributeName=EXPIRES_AT, Enabled=True)
    return Tables(
        orders=orders,
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


def unsettled_index_arn(tables: Tables) -> Sub:
    """The ARN of the index of unsettled orders."""
    return Sub(f"${{{tables.orders.title}.Arn}}/index/{UNSETTLED}")


def _index_unsettled(orders: dynamodb.Table) -> None:
    """Index the orders that have not come to their end: they alone have the attribute `unsettled`."""
    shard, touched = UNSETTLED, "updated_at"
    orders.AttributeDefinitions += [
        dynamodb.AttributeDefinition(AttributeName=shard, AttributeType="S"),
        dynamodb.AttributeDefinition(AttributeName=touched, AttributeType="N"),
    ]
    orders.GlobalSecondaryIndexes = [
        dynamodb.GlobalSecondaryIndex(
            IndexName=UNSETTLED,
            KeySchema=[
                dynamodb.KeySchema(AttributeName=shard, KeyType="HASH"),
                dynamodb.KeySchema(AttributeName=touched, KeyType="RANGE"),
            ],
            Projection=dynamodb.Projection(ProjectionType="KEYS_ONLY"),
        )
    ]
