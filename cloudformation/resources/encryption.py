"""Encryption at rest: the services' own keys by default, one customer key by parameter.

The key's policy lets SNS use it, without which a topic cannot deliver to an encrypted queue, and CloudWatch, without
which an alarm cannot publish to a topic under this key.
"""

from dataclasses import dataclass

from troposphere import AccountId, If, NoValue, Sub, Template, kms

from cloudformation.resources.iam import Statement, allow, policy
from cloudformation.resources.retention import when_removed, when_replaced

# As in the key policies AWS writes itself: a table needs more of them than a queue, and none of them hands the key out.
_USES = ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*")


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """How each kind of resource is told to encrypt; every value is usable as a property as it stands."""

    customer_key_on: str
    customer_key: kms.Key
    key_arn: object
    queue_key: object
    queue_managed: object
    topic_key: object


def add_encryption(template: Template, *, customer_key_on: str, retain_data_on: str) -> Encryption:
    """Add the customer key under its condition; it is kept as long as what it encrypts."""
    key = template.add_resource(
        kms.Key(
            "Key",
            Condition=customer_key_on,
            Description="Flash sale: encrypts queues, topics, tables, logs, secret and function",
            EnableKeyRotation=True,
            KeyPolicy=policy(*_key_statements()),
            DeletionPolicy=when_removed(retain_data_on),
            UpdateReplacePolicy=when_replaced(retain_data_on),
        )
    )
    arn = key.get_att("Arn")
    return Encryption(
        customer_key_on=customer_key_on,
        customer_key=key,
        key_arn=If(customer_key_on, arn, NoValue),
        queue_key=If(customer_key_on, arn, NoValue),
        queue_managed=If(customer_key_on, "false", "true"),
        topic_key=If(customer_key_on, arn, "alias/aws/sns"),
    )


def _key_statements() -> list[Statement]:
    # SNS says for which topic it encrypts (aws-cdk's restrictSqsDescryption rests on that), CloudWatch for which alarm.
    of_this_account = {"ArnLike": {"aws:SourceArn": Sub("arn:${AWS::Partition}:*:${AWS::Region}:${AWS::AccountId}:*")}}
    through = {
        "StringEquals": {"kms:CallerAccount": AccountId},
        "StringLike": {"kms:ViaService": Sub("*.${AWS::Region}.amazonaws.com")},
    }
    logs = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": Sub("arn:${AWS::Partition}:logs:*:${AWS::AccountId}:*")}}
    return [
        # Without the account itself in the policy nobody could ever change or delete the key.
        {**allow("kms:*", on="*"), "Principal": {"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")}},
        # As in AWS's own keys: who may use a table, queue, topic or secret may use the key through it.
        {
            **allow("kms:CreateGrant", *_USES, on="*", when=through),
            "Principal": {"AWS": "*"},
        },
        {
            **allow("kms:Decrypt", "kms:GenerateDataKey*", on="*", when=of_this_account),
            "Principal": {"Service": ["sns.amazonaws.com", "cloudwatch.amazonaws.com"]},
        },
        {
            **allow(*_USES, on="*", when=logs),
            "Principal": {"Service": Sub("logs.${AWS::Region}.amazonaws.com")},
        },
    ]
