"""`python -m order_processor.dlq list|show|redrive|discard`; `--help` says more."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiobotocore.session import get_session

from flashbus.clients import aws_client
from flashbus.queue import MessageSender, Queue, QueueUnavailableError
from flashbus.sns import SnsTopic
from flashbus.sqs import SqsQueue
from flashops.command_line import EXIT_USAGE
from flashops.lifecycle import Shutdown
from flashpay import utc_now
from order_processor.dlq.actions import Action, Discard, Redrive
from order_processor.dlq.command_line import PROGRAM, Command, parse
from order_processor.dlq.journal import Journal
from order_processor.dlq.places import Home, Places, QueueName, UnknownPlaceError
from order_processor.dlq.tour import Tour
from order_processor.dlq.visits import Acting, Listing, Showing, Visit
from order_processor.topic_sender import TopicSender

EXIT_FAILED = 1


@dataclass(frozen=True, kw_only=True)
class _Connections:
    queues: dict[QueueName, Queue]
    senders: dict[Home, MessageSender]


@asynccontextmanager
async def _open_connections(stack: str | None) -> AsyncIterator[_Connections]:
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
        yield _Connections(queues=queues, senders=senders)


async def run(command: Command) -> int:
    """Do what a command says; the exit status."""
    now = utc_now()
    async with Shutdown() as shutdown, _open_connections(command.stack) as connections:
        tour = Tour(
            queues=connections.queues, selection=command.selection, limit=command.limit, now=now, stop=shutdown.event
        )
        visit = _visit(command, connections, tour)
        try:
            await tour.go(visit)
        finally:
            visit.end()
        if shutdown.signal is not None:
            _say("stopped; the rest is untouched")
            return 128 + shutdown.signal
    return EXIT_FAILED if visit.failed else 0


def _visit(command: Command, connections: _Connections, tour: Tour) -> Visit:
    if command.name == "list":
        return Listing(say=_say, now=tour.now)
    if command.name == "show":
        return Showing(say=_say, now=tour.now)
    return Acting(
        action=None if command.dry_run else _action(command, connections),
        doing="redriven" if command.name == "redrive" else "discarded",
        pause=command.pause,
        started=tour.now,
        stop=tour.stop,
        say=_say,
    )


def _action(command: Command, connections: _Connections) -> Action:
    journal = Journal(path=command.journal)
    if command.name == "discard" and command.author is not None:
        return Discard(journal=journal, author=command.author)
    return Redrive(senders=connections.senders, journal=journal, to=command.to, edit=command.edit)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run one command."""
    command = parse(sys.argv[1:])
    try:
        status = asyncio.run(run(command))
    except UnknownPlaceError as exc:
        sys.stderr.write(f"{PROGRAM}: {exc}\n")
        status = EXIT_USAGE
    except (QueueUnavailableError, OSError) as exc:
        sys.stderr.write(f"{PROGRAM}: {exc}\n")
        status = EXIT_FAILED
    sys.exit(status)


if __name__ == "__main__":
    main()
