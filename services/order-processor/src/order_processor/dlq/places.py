"""Where dead letters lie and where they go back to: read from the environment, or from a stack's outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import TypeAdapter, ValidationError

from flashpay import Retention, RetentionDays
from flashpay.retention import KEPT

QueueName = Literal["given-up", "undelivered", "function"]
Home = Literal["queue", "topic"]
QUEUE_NAMES: tuple[QueueName, ...] = ("given-up", "undelivered", "function")
# What the processor sent there came off the queue; the two others never got that far.
HOMES: Mapping[QueueName, Home] = {"given-up": "queue", "undelivered": "topic", "function": "topic"}

_VARIABLES = {
    "given-up": "DEAD_LETTER_QUEUE_URL",
    "undelivered": "SUBSCRIPTION_DEAD_LETTER_QUEUE_URL",
    "function": "FUNCTION_FAILURE_QUEUE_URL",
    "queue": "QUEUE_URL",
    "topic": "ORDERS_TOPIC_ARN",
    "orders": "ORDERS_TABLE",
    "stock": "STOCK_TABLE",
    "outcomes": "OUTCOMES_TOPIC_ARN",
    "days": "ORDER_RETENTION_DAYS",
}
_OUTPUTS = {
    "given-up": "DeadLetterQueueUrl",
    "undelivered": "SubscriptionDeadLetterQueueUrl",
    "function": "FunctionFailureQueueUrl",
    "queue": "QueueUrl",
    "topic": "TopicArn",
    "orders": "OrdersTableName",
    "stock": "StockTableName",
    "outcomes": "OutcomesTopicArn",
    "days": "OrderRetentionDays",
}

_DAYS: TypeAdapter[int] = TypeAdapter(RetentionDays)


class CloudFormationClient(Protocol):
    """The one call made of a CloudFormation client."""

    async def describe_stacks(self, **arguments: object) -> Mapping[str, Any]: ...


class UnknownPlaceError(Exception):
    """Nobody said where something is."""


@dataclass(frozen=True, kw_only=True)
class Books:
    """The tables that orders and their units are written down in, as far as they are named."""

    orders_table: str = ""
    stock_table: str = ""
    retention: Retention = KEPT


@dataclass(frozen=True, kw_only=True)
class Places:
    """The URLs of our dead-letter queues, as far as there are any, where orders are sent to, and the books."""

    dead_letter_urls: Mapping[QueueName, str]
    homes: Mapping[Home, str]
    books: Books

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """From the variables of the services, and two that only this command reads."""
        return cls._of({name: environ.get(variable, "").strip() for name, variable in _VARIABLES.items()}, _VARIABLES)

    @classmethod
    async def from_stack(cls, client: CloudFormationClient, stack: str) -> Self:
        """From the outputs of a stack, and one parameter.

        Raises:
            UnknownPlaceError: There is no such stack, or it cannot be read.
        """
        try:
            found = (await client.describe_stacks(StackName=stack))["Stacks"][0]
        except (ClientError, BotoCoreError, OSError) as exc:
            raise UnknownPlaceError(f"the stack {stack} cannot be read: {exc}") from exc
        told = {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])}
        told |= {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
        return cls._of({name: told.get(output, "") for name, output in _OUTPUTS.items()}, _OUTPUTS)

    @classmethod
    def _of(cls, given: Mapping[str, str], spelled: Mapping[str, str]) -> Self:
        urls = {name: given[name] for name in QUEUE_NAMES if given[name]}
        if not urls:
            missing = ", ".join(spelled[name] for name in QUEUE_NAMES)
            raise UnknownPlaceError(f"no dead-letter queue is named by any of {missing}; try --stack")
        homes: dict[Home, str] = {}
        for home in HOMES.values():
            if given[home]:
                homes[home] = given[home]
        return cls(dead_letter_urls=urls, homes=homes, books=_books(given, spelled))


def _books(given: Mapping[str, str], spelled: Mapping[str, str]) -> Books:
    try:
        days = _DAYS.validate_python(given["days"] or 0)
    except ValidationError as exc:
        raise UnknownPlaceError(f"{spelled['days']}: {exc.errors()[0]['msg']}") from exc
    retention = Retention.of_settings(outcomes_topic=given["outcomes"], days=days)
    return Books(orders_table=given["orders"], stock_table=given["stock"], retention=retention)
