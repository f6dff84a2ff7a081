"""The command line: four commands over one selection of dead letters."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, get_args

from flashmsg import FlashmsgError, decode
from order_processor.dlq.actions import Edit
from order_processor.dlq.audit_log import Author
from order_processor.dlq.places import QUEUE_NAMES, Home
from order_processor.dlq.selection import Selection

Name = Literal["list", "show", "redrive", "discard"]
PROGRAM = "python -m order_processor.dlq"
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
# Ten letters are received at once and stay hidden for five minutes.
_SLOWEST = 0.1
# A hundred years, longer than any queue keeps a letter.
_OLDEST_SECONDS = 36_500 * _UNITS["d"]
_EPILOG = """\
queues:
  given-up     what the consumer gave up, or SQS moved; goes back to the queue (DEAD_LETTER_QUEUE_URL, QUEUE_URL)
  undelivered  what the topic could not deliver; is published again (SUBSCRIPTION_DEAD_LETTER_QUEUE_URL)
  function     events the function failed for good; is published again (FUNCTION_FAILURE_QUEUE_URL, ORDERS_TOPIC_ARN)
The URLs come from the variables in brackets, or with --stack from the outputs of a stack; AWS_* as for any SDK.
discard ends an order that only its letter knows of (failed, and its units are for sale again; with --dry-run it only
says of which), so it also needs
ORDERS_TABLE, and as the services have them STOCK_TABLE, OUTCOMES_TOPIC_ARN and ORDER_RETENTION_DAYS; or --stack.

exit status: 0 done; 1 something could not be done; 2 wrong usage; 130 stopped by Ctrl-C, the rest is untouched
"""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What was asked for."""

    name: Name
    selection: Selection
    limit: int
    stack: str | None
    dry_run: bool = False
    pause: timedelta = timedelta(0)
    to: Home | None = None
    edit: Edit | None = None
    author: Author | None = None
    audit_log: Path = Path()


def parse(argv: Sequence[str]) -> Command:
    """Read the arguments; raises SystemExit, 0 after `--help` and 2 for wrong ones."""
    parser = _parser()
    given = parser.parse_args(argv)
    selection = Selection(
        queues=tuple(given.queue or QUEUE_NAMES),
        message_id=given.message,
        order_id=given.order,
        reasons=frozenset(given.reason),
        customer_id=given.customer,
        product_id=given.product,
        older_than=given.older_than,
        newer_than=given.newer_than,
    )
    common = {"name": given.command, "selection": selection, "limit": given.limit, "stack": given.stack}
    if given.command not in ("redrive", "discard"):
        return Command(**common)
    if selection.is_everything and not given.all:
        parser.error(f"{given.command} of everything must be meant: say --all, or which")
    author = _author(parser, given)
    return Command(
        **common,
        dry_run=given.dry_run,
        pause=timedelta(seconds=1 / given.rate),
        to=given.to if given.command == "redrive" else None,
        edit=_edit(parser, given, author) if given.command == "redrive" else None,
        author=author,
        audit_log=given.audit_log,
    )


def _author(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Author | None:
    by, why = (given.by or "").strip(), (given.why or "").strip()
    if by and why:
        return Author(by=by, why=why)
    if given.command == "discard" or given.edit is not None:
        parser.error("who and why is recorded: --by and --why are needed")
    return None


def _edit(parser: argparse.ArgumentParser, given: argparse.Namespace, author: Author | None) -> Edit | None:
    if given.edit is None or author is None:
        return None
    if given.message is None:
        parser.error("--edit is for one letter: name it with --message")
    try:
        body = given.edit.read_text(encoding="utf-8").strip()
        decode(body)
    except (OSError, ValueError, FlashmsgError) as exc:
        parser.error(f"--edit {given.edit}: {exc}")
    return Edit(body=body, author=author)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Look at dead letters, send them back, or let them go.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("list", "one line each, and what they come to"),
        ("show", "everything that is known of each, its body included"),
        ("redrive", "send them back; each order is settled once, however often it is sent"),
        ("discard", "remove them for good; the audit log keeps them, and an order that nobody else knows of ends"),
    ):
        command = commands.add_parser(name, help=text, description=f"{name}: {text}.")
        _add_selection(command)
        if name in ("redrive", "discard"):
            _add_action(command)
        if name == "redrive":
            _add_redrive(command)
    return parser


def _add_selection(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("which (all conditions must hold)")
    group.add_argument("--queue", action="append", choices=QUEUE_NAMES, help="only of this queue; may be repeated")
    group.add_argument("--message", metavar="ID", help="the one of this message id")
    group.add_argument("--order", metavar="ID", help="of this order")
    group.add_argument("--reason", action="append", default=[], help="with this reason; may be repeated")
    group.add_argument("--customer", type=_number, metavar="N", help="of this customer")
    group.add_argument("--product", metavar="ID", help="with this product among their lines")
    group.add_argument(
        "--older-than", type=_duration, metavar="AGE", help="sent at least so long ago: 90s, 15m, 2h, 3d"
    )
    group.add_argument("--newer-than", type=_duration, metavar="AGE", help="sent more lately than that")
    group.add_argument("--limit", type=_number, default=10_000, metavar="N", help="at most so many (default 10000)")
    command.add_argument("--stack", metavar="NAME", help="take the URLs from the outputs of this stack")


def _add_action(command: argparse.ArgumentParser) -> None:
    command.add_argument("--all", action="store_true", help="needed when nothing else says which")
    command.add_argument("--dry-run", action="store_true", help="only list what would be done")
    command.add_argument("--rate", type=_rate, default=10.0, metavar="N", help="at most so many a second (default 10)")
    command.add_argument("--by", metavar="WHO", help="who acts, for the record")
    command.add_argument("--why", metavar="TEXT", help="and why")
    command.add_argument(
        "--audit-log",
        type=Path,
        default=Path("dead-letters.jsonl"),
        metavar="FILE",
        help="where edits and discards are recorded, the letter included (default dead-letters.jsonl)",
    )


def _add_redrive(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--to", choices=get_args(Home), help="another way back than the usual, as after the consumer was exchanged"
    )
    command.add_argument(
        "--edit", type=Path, metavar="FILE", help="send this event instead of the body; with --message, --by and --why"
    )


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _rate(text: str) -> float:
    rate = float(text)
    if not _SLOWEST <= rate <= 1000:  # noqa: PLR2004 - more than SQS takes of one caller
        raise argparse.ArgumentTypeError(f"must be between {_SLOWEST} and 1000")
    return rate


def _duration(text: str) -> timedelta:
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdecimal():
        raise argparse.ArgumentTypeError("is a number and one of s, m, h, d: 15m")
    seconds = int(number) * _UNITS[unit]
    if seconds > _OLDEST_SECONDS:
        raise argparse.ArgumentTypeError("is longer than any queue keeps a letter")
    return timedelta(seconds=seconds)
