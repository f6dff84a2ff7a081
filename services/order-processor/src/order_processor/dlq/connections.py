"""What the command talks to: the dead-letter queues, and where their letters go back to."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiobotocore.session import get_session

from flashbus.clients import aws_client
from flashbus.queue import MessageSender, Queue
from flashbus.sns import SnsTopic
from flashbus.sqs import SqsQueue
from order_processor.dlq.places import Home, Places, QueueName
from order_processor.topic_sender import TopicSender


@dataclass(frozen=True, kw_only=True)
class Connections:
    """The dead-letter queues there are, and the ways back."""

    queues: dict[QueueName, Queue]
    senders: dict[Home, MessageSender]


@asynccontextmanager
async def open_connections(stack: str | None) -> AsyncIterator[Connections]:
    """Connect to what the outputs of a stack name, or without one the environment."""
    session = get_session()
    async with AsyncExitStack() as exits:
        if stack is None:
            places = Places.from_environment(os.environ)
        else:
            places = await Places.from_stack(
                await exits.enter_async_context(aws_client("cloudformation", session=session)), stack
            )
        sqs = await exits.enter_async_context(aws_client("sqs", session=session))
        senders: dict[Home, MessageSender] = {}
        if "queue" in places.homes:
            senders["queue"] = SqsQueue(url=places.homes["queue"], client=sqs)
        if "topic" in places.homes:
            # SnsTopic tries again by itself.
            sns = await exits.enter_async_context(aws_client("sns", session=session, max_attempts=1))
            senders["topic"] = TopicSender(SnsTopic(client=sns, topic_arn=places.homes["topic"]))
        queues: dict[QueueName, Queue] = {
            name: SqsQueue(url=url, client=sqs) for name, url in places.dead_letter_urls.items()
        }
        yield Connections(queues=queues, senders=senders)
