"""Audit events over SNS and SQS, one file each: `audit_events.py record < events` and `audit_events.py keep FOLDER`.

An event is a line of JSON with an `event_id`, a UUID. TOPIC_ARN, QUEUE_URL and DEAD_LETTER_QUEUE_URL say where; the
queue is subscribed to the topic with raw message delivery. The account is the one of the AWS_* variables.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from flashbus.clients import aws_client
from flashbus.consumer import Consumer, ConsumerLimits
from flashbus.dispositions import Acknowledge, DeadLetter, Disposition, HandBack
from flashbus.publisher import GroupCommitPublisher
from flashbus.queue import Message
from flashbus.sns import SnsTopic
from flashbus.sqs import SqsQueue
from flashbus.topic import Entry


async def record(events: Iterable[str]) -> None:
    """Publish all events at once; returns when each one is acknowledged, raises if one is not."""
    async with aws_client("sns", max_attempts=1) as sns:
        topic = SnsTopic(client=sns, topic_arn=os.environ["TOPIC_ARN"])
        async with (
            GroupCommitPublisher(topic=topic, timeout=timedelta(seconds=5)) as publisher,
            asyncio.TaskGroup() as tasks,
        ):
            for event in events:
                tasks.create_task(publisher.publish(Entry(event, {"type": "audit"})))


async def keep(folder: Path, stop: asyncio.Event) -> None:
    """Write every event down, twenty at once, until the stop."""

    async def handle(message: Message) -> Disposition:
        try:
            event_id = UUID(json.loads(message.body)["event_id"])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            return DeadLetter(reason="malformed", detail=repr(exc))
        try:
            await asyncio.to_thread((folder / f"{event_id}.json").write_text, message.body)
        except OSError as exc:
            return HandBack(after=timedelta(seconds=30), reason=type(exc).__name__)
        return Acknowledge()

    async with aws_client("sqs", read_timeout=timedelta(seconds=10)) as sqs:
        queue = SqsQueue(url=os.environ["QUEUE_URL"], client=sqs)
        dead_letters = SqsQueue(url=os.environ["DEAD_LETTER_QUEUE_URL"], client=sqs)
        limits = ConsumerLimits(slots=20, wait=timedelta(seconds=4))
        await Consumer(queue=queue, dead_letters=dead_letters, handler=handle, stop=stop, limits=limits).run()


async def keep_until_told_to_stop(folder: Path) -> None:
    """Keep events until SIGTERM or SIGINT, then finish what is in flight."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await keep(folder, stop)


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    match arguments:
        case ["record"]:
            asyncio.run(record(line.strip() for line in sys.stdin))
        case ["keep", folder]:
            asyncio.run(keep_until_told_to_stop(Path(folder)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
