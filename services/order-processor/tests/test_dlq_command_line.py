"""The command line says what it takes, and refuses what could not be meant."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from flashmsg import OrderPlaced, encode
from flashpay import Retention
from flashpay.testing import sample_order
from order_processor.dlq.__main__ import _visit
from order_processor.dlq.actions import Action, Discard, DiscardPreview, Redrive
from order_processor.dlq.audit_log import Author
from order_processor.dlq.command_line import parse
from order_processor.dlq.connections import Connections
from order_processor.dlq.places import Books, Places, UnknownPlaceError
from order_processor.dlq.selection import Selection
from order_processor.dlq.tour import Tour
from order_processor.dlq.visits import Acting, Listing, Showing, Visit


def test_every_condition_can_be_given() -> None:
    words = "list --queue function --queue given-up --message m --order o --reason a --reason b --customer 7"
    command = parse([*words.split(), "--product", "lamp", "--older-than", "15m", "--newer-than", "2d", "--limit", "3"])
    assert command.selection == Selection(
        queues=("function", "given-up"),
        message_id="m",
        order_id="o",
        reasons=frozenset({"a", "b"}),
        customer_id=7,
        product_id="lamp",
        older_than=timedelta(minutes=15),
        newer_than=timedelta(days=2),
    )
    assert (command.name, command.limit, command.stack) == ("list", 3, None)
    assert (command.pause, command.dry_run) == (timedelta(0), False)


def test_the_smallest_and_the_greatest_figures_are_taken() -> None:
    command = parse(["list", "--limit", "1", "--customer", "1"])
    assert (command.limit, command.selection.customer_id) == (1, 1)
    assert parse(["redrive", "--all", "--rate", "0.1"]).pause == timedelta(seconds=10)
    assert parse(["redrive", "--all", "--rate", "1000"]).pause == timedelta(milliseconds=1)


def test_where_nothing_is_said_ten_thousand_letters_of_every_queue_are_meant() -> None:
    command = parse(["list"])
    assert (command.limit, command.selection) == (10_000, Selection(queues=("given-up", "undelivered", "function")))


@pytest.mark.parametrize(("age", "seconds"), [("9s", 9), ("9m", 540), ("9h", 32_400), ("9d", 777_600)])
def test_an_age_has_a_unit(age: str, seconds: int) -> None:
    assert parse(["list", "--older-than", age]).selection.older_than == timedelta(seconds=seconds)


def test_a_redrive_has_a_pace_and_a_way() -> None:
    command = parse(["redrive", "--all", "--rate", "4", "--to", "topic", "--dry-run", "--stack", "flash"])
    assert (command.pause, command.to, command.dry_run) == (timedelta(seconds=0.25), "topic", True)
    assert command.stack == "flash"
    assert parse(["redrive", "--reason", "exhausted"]).pause == timedelta(seconds=0.1)


def test_a_discard_has_an_author() -> None:
    command = parse(["discard", "--message", "m", "--by", "ada", "--why", "spam", "--audit-log", "j"])
    assert (command.author, command.audit_log) == (Author(by="ada", why="spam"), Path("j"))


@pytest.mark.parametrize(("by", "why"), [(" ", "spam"), ("ada", "\t"), ("", "")])
def test_a_blank_author_is_none(by: str, why: str) -> None:
    with pytest.raises(SystemExit):
        parse(["discard", "--message", "m", "--by", by, "--why", why])


def test_an_edit_is_an_event_in_a_file(tmp_path: Path) -> None:
    body = encode(OrderPlaced.of(sample_order()))
    (tmp_path / "event").write_text(body + "\n")
    words = ["redrive", "--message", "m", "--edit", str(tmp_path / "event"), "--by", "ada", "--why", "typo"]
    edit = parse(words).edit
    assert edit is not None
    assert (edit.body, edit.author) == (body, Author(by="ada", why="typo"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "required"),
        ("redrive", "--all"),
        ("redrive --queue function", "--all"),
        ("discard --by a --why b", "--all"),
        ("discard --all", "--by and --why"),
        ("discard --all --by ada", "--by and --why"),
        ("redrive --message m --edit FILE", "--by and --why"),
        ("redrive --customer 7 --edit FILE --by a --why b", "--message"),
        ("redrive --message m --edit FILE --by a --why b", "FILE"),
        ("redrive --message m --edit /absent --by a --why b", "/absent"),
        ("redrive --all --rate 0.01", "--rate"),
        ("redrive --all --rate nan", "argument --rate: must be between 0.1 and 1000"),
        ("redrive --all --rate 1000.1", "--rate"),
        ("list --older-than 15", "argument --older-than: is a number and one of s, m, h, d: 15m"),
        ("list --older-than xm", "--older-than"),
        ("list --older-than 99999999999999999999d", "argument --older-than: is longer than any queue keeps a letter"),
        ("list --limit 0", "argument --limit: must be 1 or more"),
        ("list --customer ada", "--customer"),
        ("list --queue mine", "--queue"),
        ("list --all", "--all"),
    ],
)
def test_what_could_not_be_meant_is_refused(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "FILE").write_text("no event")
    with pytest.raises(SystemExit) as ended:
        parse(words.replace("FILE", str(tmp_path / "FILE")).split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_every_word_of_the_command_line_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    for command, words in {
        "list": "queue|message ID|order ID|reason|customer N|product ID|older-than AGE|newer-than AGE|limit N",
        "show": "stack NAME",
        "discard": "all|dry-run|rate N|by WHO|why TEXT|audit-log FILE",
        "redrive": "to|edit FILE",
    }.items():
        with pytest.raises(SystemExit):
            parse([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        for word in words.split("|"):
            # After the word and what it takes come small letters, as long as there is a sentence.
            assert re.search(rf" --{word}( [A-Z]+| {{[a-z,-]+}})? [a-z]+ [a-z]+", said.split("options:")[1]), word


@pytest.mark.parametrize("words", ["--help", "redrive --help"])
def test_help_is_given(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(words.split())
    assert ended.value.code == 0
    assert "redrive" in capsys.readouterr().out


def visit_of(words: str) -> Visit:
    tour = Tour(queues={}, selection=Selection(), limit=1, now=datetime(2026, 11, 22, tzinfo=UTC), stop=asyncio.Event())
    return _visit(parse(words.split()), Connections(queues={}, senders={}), tour)


@pytest.mark.parametrize(("words", "kind"), [("list", Listing), ("show", Showing)])
def test_who_only_looks_changes_nothing(words: str, kind: type[Visit]) -> None:
    assert type(visit_of(words)) is kind


@pytest.mark.parametrize(
    ("words", "doing", "kind"),
    [
        ("redrive --all", "redriven", Redrive),
        ("redrive --all --dry-run", "redriven", type(None)),
        ("discard --all --by ada --why spam", "discarded", Discard),
        ("discard --all --by ada --why spam --dry-run", "discarded", type(None)),
    ],
)
def test_who_acts_does_what_was_said_and_nothing_in_a_dry_run(
    words: str, doing: str, kind: type[Action | None]
) -> None:
    visit = visit_of(words)
    assert isinstance(visit, Acting)
    assert (visit.doing, type(visit.action)) == (doing, kind)


def test_a_dry_run_of_a_discard_looks_into_the_ledger_and_one_of_a_redrive_does_not() -> None:
    discard, redrive = visit_of("discard --all --by a --why b --dry-run"), visit_of("redrive --all --dry-run")
    assert isinstance(discard, Acting)
    assert isinstance(redrive, Acting)
    assert (discard.preview, redrive.preview) == (DiscardPreview(last_traces=None), None)


class CloudFormation:
    """Knows one stack."""

    async def describe_stacks(self, **arguments: object) -> dict[str, Any]:
        if arguments["StackName"] != "flash":
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "absent"}}, "DescribeStacks")
        named = {"DeadLetterQueueUrl": "dead", "QueueUrl": "work", "TopicArn": "topic", "ApiUrl": "other"}
        named |= {"OrdersTableName": "orders", "StockTableName": "stock", "OutcomesTopicArn": "outcomes"}
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in named.items()]
        days = {"ParameterKey": "OrderRetentionDays", "ParameterValue": "90"}
        return {"Stacks": [{"Outputs": outputs, "Parameters": [days]}]}


async def test_a_stack_says_where_everything_is() -> None:
    places = await Places.from_stack(CloudFormation(), "flash")
    assert places.dead_letter_urls == {"given-up": "dead"}
    assert places.homes == {"queue": "work", "topic": "topic"}
    retention = Retention(announced=True, keep=timedelta(days=90))
    assert places.books == Books(orders_table="orders", stock_table="stock", retention=retention)
    with pytest.raises(UnknownPlaceError, match="absent"):
        await Places.from_stack(CloudFormation(), "absent")


def test_the_environment_says_where_everything_is() -> None:
    places = Places.from_environment({"FUNCTION_FAILURE_QUEUE_URL": "f", "ORDERS_TOPIC_ARN": "t", "QUEUE_URL": " "})
    assert places.dead_letter_urls == {"function": "f"}
    assert places.homes == {"topic": "t"}
    assert places.books == Books()
    with pytest.raises(UnknownPlaceError, match="DEAD_LETTER_QUEUE_URL"):
        Places.from_environment({"QUEUE_URL": "work"})


@pytest.mark.parametrize("days", ["29", "-1", "soon"])
def test_days_that_no_service_takes_are_refused(days: str) -> None:
    with pytest.raises(UnknownPlaceError, match="ORDER_RETENTION_DAYS"):
        Places.from_environment({"DEAD_LETTER_QUEUE_URL": "dead", "ORDER_RETENTION_DAYS": days})
