"""`python -m order_processor.dlq list|show|redrive|discard`; `--help` says more."""

import asyncio
import secrets
import sys

from botocore.exceptions import BotoCoreError

from flashbus.queue import QueueUnavailableError
from flashops.command_line import EXIT_USAGE
from flashops.lifecycle import Shutdown
from flashpay import utc_now
from order_processor.dlq.actions import Action, Discard, DiscardPreview, Redrive
from order_processor.dlq.audit_log import AuditLog
from order_processor.dlq.command_line import PROGRAM, Command, parse
from order_processor.dlq.connections import Connections, open_connections
from order_processor.dlq.places import UnknownPlaceError
from order_processor.dlq.tour import Tour
from order_processor.dlq.visits import Acting, Listing, Showing, Visit

EXIT_FAILED = 1


async def run(command: Command) -> int:
    """Do what a command says; the exit status."""
    now = utc_now()
    async with Shutdown() as shutdown, open_connections(command.stack) as connections:
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


def _visit(command: Command, connections: Connections, tour: Tour) -> Visit:
    if command.name == "list":
        return Listing(say=_say, now=tour.now)
    if command.name == "show":
        return Showing(say=_say, now=tour.now)
    this = secrets.token_hex(6)
    return Acting(
        action=None if command.dry_run else _action(command, connections, this),
        doing="redriven" if command.name == "redrive" else "discarded",
        pause=command.pause,
        started=tour.now,
        run=this,
        stop=tour.stop,
        say=_say,
        preview=DiscardPreview(last_traces=connections.last_traces) if command.name == "discard" else None,
    )


def _action(command: Command, connections: Connections, this: str) -> Action:
    audit_log = AuditLog(path=command.audit_log)
    if command.name == "discard" and command.author is not None:
        return Discard(audit_log=audit_log, author=command.author, last_traces=connections.last_traces)
    return Redrive(senders=connections.senders, audit_log=audit_log, run=this, to=command.to, edit=command.edit)


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
    except (QueueUnavailableError, BotoCoreError, OSError) as exc:
        sys.stderr.write(f"{PROGRAM}: {exc}\n")
        status = EXIT_FAILED
    sys.exit(status)


if __name__ == "__main__":
    main()
