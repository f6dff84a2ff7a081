"""What lies in the dead-letter queue when a case is over."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from flashmsg import FlashmsgError, decode
from local.aws import aws_client
from local.shop import RunningShop

_HIDDEN_SECONDS = 60


async def dead_lettered(shop: RunningShop) -> set[str]:
    """The orders, and the messages that hold none, by their ids; what was read is hidden for a minute.

    An order may have several letters, one for each time that it was published: its first may be lost.
    """
    async with aws_client("sqs", shop.emulator.environment) as sqs:
        return {_subject(letter) async for letter in _letters(sqs, shop.outputs["DeadLetterQueueUrl"])}


async def _letters(sqs: Any, queue_url: str) -> AsyncIterator[Mapping[str, Any]]:  # noqa: ANN401 - botocore clients are untyped
    while True:
        answer = await sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=_HIDDEN_SECONDS, WaitTimeSeconds=1
        )
        letters = answer.get("Messages", ())
        for letter in letters:
            yield letter
        if not letters:
            return


def _subject(letter: Mapping[str, Any]) -> str:
    try:
        return decode(letter["Body"]).data.order_id
    except FlashmsgError:
        return str(letter["MessageId"])
