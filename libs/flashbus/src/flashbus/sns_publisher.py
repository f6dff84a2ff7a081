"""Group commit to a topic on SNS that no customer waits for, opened and drained with a block."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

from flashbus.publisher import GroupCommitPublisher
from flashbus.sns import SnsTopic
from flashbus.topic import Entry
from flashbus.wire.clients import sns_client

PublishText: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[None]]
"""Publishes a body with its attributes; raises `PublishError` when it was not acknowledged."""


@asynccontextmanager
async def open_publisher(
    topic_arn: str,
    *,
    timeout: timedelta = timedelta(seconds=5),  # noqa: ASYNC109 - the publisher's own
    session: Any = None,  # noqa: ANN401 - aiobotocore's, untyped
) -> AsyncIterator[PublishText]:
    """Open what publishes to a topic; leaving the block drains it. Nothing is connected yet.

    Args:
        topic_arn: The topic.
        timeout: The most that one message waits for its acknowledgement.
        session: Where credentials come from; shared by several clients.
    """
    # SnsTopic tries again by itself.
    async with (
        sns_client(connect_timeout=timeout / 2, read_timeout=timeout, max_attempts=1, session=session) as sns,
        GroupCommitPublisher(topic=SnsTopic(client=sns, topic_arn=topic_arn), timeout=timeout) as publisher,
    ):

        async def publish(body: str, attributes: Mapping[str, str]) -> None:
            await publisher.publish(Entry(body, attributes))

        yield publish
