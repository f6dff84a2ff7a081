"""Whatever lies in a dead-letter queue is read as a letter, and a selection takes the right ones."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flashbus.dead_letters import dead_letter_attributes
from flashbus.queue import Message
from flashmsg import Order, OrderPlaced, PricedLine, encode
from order_processor.dlq.letters import Letter, read_letter
from order_processor.dlq.places import QueueName
from order_processor.dlq.reports import Summary, age, header, line, plain, whole
from order_processor.dlq.selection import Selection

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ORDER = Order(
    order_id="ord_" + "a" * 40,
    customer_id=7,
    items=(PricedLine(product_id="lamp", quantity=2, unit_price_minor=50),),
    currency="EUR",
    total_minor=100,
    created_at=NOW,
)
BODY = encode(OrderPlaced.of(ORDER))


def message(body: str = BODY, *, attributes: dict[str, str] | None = None, hours: float = 3) -> Message:
    return Message(
        message_id="m1", receipt="r1", body=body, attributes=attributes or {}, sent_at=NOW - timedelta(hours=hours)
    )


def given_up(*, body: str = BODY, reason: str = "exhausted", hours: float = 3) -> Letter:
    attributes = dead_letter_attributes({"type": "t"}, reason=reason, detail="no answer", receives=5)
    return read_letter("given-up", message(body, attributes=attributes, hours=hours))


def failure(notification: object, **others: Any) -> str:  # noqa: ANN401 - any JSON
    record = {"requestPayload": {"Records": [{"EventSource": "aws:sns", "Sns": notification}]}}
    return json.dumps(record | others)


def test_what_the_consumer_gave_up_says_why_and_how_often_it_was_tried() -> None:
    letter = given_up()
    assert (letter.reason, letter.detail, letter.receives) == ("exhausted", "no answer", 5)
    assert (letter.body, letter.order) == (BODY, ORDER)
    assert letter.attributes == {"type": "t"}, "of the message alone: ours are written anew"
    assert letter.age(NOW) == timedelta(hours=3)


def test_poison_is_a_letter_without_an_order() -> None:
    letter = given_up(body="{", reason="malformed")
    assert (letter.body, letter.order, letter.reason) == ("{", None, "malformed")


@pytest.mark.parametrize(("queue", "reason"), [("given-up", "moved_by_sqs"), ("undelivered", "undelivered")])
def test_a_letter_without_a_reason_says_who_put_it_there(queue: QueueName, reason: str) -> None:
    assert read_letter(queue, message()).reason == reason


def test_what_the_topic_could_not_deliver_has_the_topics_reason() -> None:
    beside = {"ErrorCode": "AccessDenied", "ErrorMessage": "no", "RequestID": "1", "traceparent": "00"}
    letter = read_letter("undelivered", message(attributes=beside))
    assert (letter.reason, letter.detail) == ("AccessDenied", "no")
    assert letter.attributes == {"traceparent": "00"}


def test_an_envelope_of_the_topic_is_opened() -> None:
    envelope = {
        "Type": "Notification",
        "Message": BODY,
        "MessageAttributes": {"traceparent": {"Type": "String", "Value": "00"}},
    }
    letter = read_letter("undelivered", message(json.dumps(envelope)))
    assert (letter.body, letter.order, letter.attributes) == (BODY, ORDER, {"traceparent": "00"})


def test_an_event_that_the_function_failed_holds_the_message_and_the_answer() -> None:
    notification = {"Message": BODY, "MessageAttributes": {"type": {"Type": "String", "Value": "t"}}}
    context = {"condition": "RetriesExhausted", "approximateInvokeCount": 3}
    body = failure(
        notification, requestContext=context, responsePayload={"errorType": "Refused", "errorMessage": "too dear"}
    )
    letter = read_letter("function", message(body))
    assert (letter.reason, letter.detail, letter.receives) == ("Refused", "too dear", 3)
    assert (letter.body, letter.order, letter.attributes) == (BODY, ORDER, {"type": "t"})
    unanswered = read_letter("function", message(failure(notification, requestContext=context)))
    assert unanswered.reason == "RetriesExhausted"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "[" * 100_000,
        "{}",
        '{"requestPayload": {"Records": []}}',
        '{"requestPayload": {"Records": [1]}}',
        '{"requestPayload": {"Records": [{"Sns": {"Message": 1}}]}}',
        '{"requestPayload": {"Records": [{"Sns": {"Message": "a"}}, {"Sns": {"Message": "b"}}]}}',
        failure({"MessageAttributes": {"a": 1}}, responsePayload=1, requestContext=[]),
    ],
)
def test_a_record_that_is_none_is_a_letter_that_cannot_be_sent(body: str) -> None:
    letter = read_letter("function", message(body))
    assert (letter.body, letter.order, letter.reason) == (None, None, "unreadable")


@pytest.mark.parametrize(
    "selection",
    [
        Selection(),
        Selection(queues=("given-up",)),
        Selection(message_id="m1", order_id=ORDER.order_id, customer_id=7, product_id="lamp"),
        Selection(reasons=frozenset({"exhausted", "malformed"})),
        Selection(older_than=timedelta(hours=3), newer_than=timedelta(hours=4)),
    ],
)
def test_a_selection_takes_what_meets_all_of_it(selection: Selection) -> None:
    assert selection.takes(given_up(), now=NOW)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(queues=("function", "undelivered")),
        Selection(message_id="m2"),
        Selection(order_id="ord_" + "b" * 40),
        Selection(reasons=frozenset({"malformed"})),
        Selection(customer_id=8),
        Selection(product_id="lam"),
        Selection(older_than=timedelta(hours=4)),
        Selection(newer_than=timedelta(hours=3)),
        Selection(customer_id=7, reasons=frozenset({"malformed"})),
    ],
)
def test_a_selection_leaves_what_fails_any_of_it(selection: Selection) -> None:
    assert not selection.takes(given_up(), now=NOW)


def test_a_letter_without_an_order_meets_no_condition_on_one() -> None:
    poison = given_up(body="{")
    assert Selection(reasons=frozenset({"exhausted"})).takes(poison, now=NOW)
    for condition in (Selection(customer_id=7), Selection(product_id="lamp"), Selection(order_id=ORDER.order_id)):
        assert not condition.takes(poison, now=NOW)


def test_a_letter_without_an_age_meets_no_condition_on_it() -> None:
    undated = read_letter("given-up", Message(message_id="m1", receipt="r1", body=BODY))
    assert Selection().takes(undated, now=NOW)
    for condition in (Selection(older_than=timedelta(0)), Selection(newer_than=timedelta(days=9))):
        assert not condition.takes(undated, now=NOW)


@pytest.mark.parametrize(
    ("bound", "older", "newer"), [(timedelta(hours=3), True, False), (timedelta(hours=4), False, True)]
)
def test_what_is_exactly_as_old_is_older(bound: timedelta, *, older: bool, newer: bool) -> None:
    assert Selection(older_than=bound).takes(given_up(hours=3), now=NOW) == older
    assert Selection(newer_than=bound).takes(given_up(hours=3), now=NOW) == newer


def test_everything_is_everything_but_a_choice_of_queues() -> None:
    assert Selection().is_everything
    assert Selection(queues=("function",)).is_everything
    assert not Selection(customer_id=7).is_everything


def test_what_others_wrote_cannot_move_the_cursor_or_fill_the_screen() -> None:
    assert plain("a\x1b[2Jb\nc") == "a [2Jb c"
    assert plain("x" * 301) == "x" * 300 + "…"
    shown = whole(given_up(body="\x1b[2J", reason="mal\x1bformed"), now=NOW)
    assert "\x1b" not in shown


def test_a_letter_is_shown_with_all_that_it_holds() -> None:
    head, body = whole(given_up(), now=NOW).split("\n", 8)[:8], whole(given_up(), now=NOW).split("\n", 8)[8]
    assert [line.split() for line in head] == [
        ["message", "m1"],
        ["queue", "given-up"],
        ["age", "3h"],
        ["reason", "exhausted"],
        ["detail", "no", "answer"],
        ["receives", "5"],
        ["order", ORDER.order_id],
        ["type", "t"],
    ]
    assert json.loads(body) == json.loads(BODY)
    assert '\n  "data": {' in body, "for people to read"


def test_what_is_not_known_of_a_letter_is_left_out_or_said() -> None:
    letter = read_letter("function", Message(message_id="m2", receipt="r", body="{}"))
    assert whole(letter, now=NOW).split("\n") == [
        "message      m2",
        "queue        function",
        "age          -",
        "reason       unreadable",
        "order        cannot be decoded",
        "(no message that could be sent)",
    ]


def test_a_line_of_a_list_has_a_column_for_everything() -> None:
    assert header().split() == ["queue", "age", "reason", "receives", "customer", "order", "products", "message"]
    assert line(given_up(), now=NOW).split() == [
        "given-up", "3h", "exhausted", "5", "7", ORDER.order_id, "lampx2", "m1",
    ]  # fmt: skip
    unreadable = read_letter("function", Message(message_id="m2", receipt="r", body="{}"))
    assert line(unreadable, now=NOW).split() == ["function", "-", "unreadable", "-", "-", "-", "-", "m2"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (119, "119s"), (120, "2m"), (7_199, "119m"), (7_200, "2h"), (172_800, "2d")]
)
def test_an_age_is_said_in_its_largest_unit(seconds: int, said: str) -> None:
    assert age(timedelta(seconds=seconds)) == said


def test_a_list_ends_with_what_it_comes_to() -> None:
    summary = Summary()
    assert summary.text() == "no dead letters"
    for letter in (given_up(hours=1), given_up(hours=5), given_up(body="{", reason="malformed")):
        summary.add(letter, now=NOW)
    assert summary.text() == (
        "3 dead letters of 1 known customers, the oldest 5h: 2 exhausted (given-up), 1 malformed (given-up)"
    )
    summary.add(given_up(body=encode(OrderPlaced.of(ORDER.model_copy(update={"customer_id": 8})))), now=NOW)
    assert summary.text().startswith("4 dead letters of 2 known customers")


def test_what_there_is_most_of_comes_first_and_one_letter_is_one() -> None:
    summary = Summary()
    summary.add(read_letter("function", Message(message_id="m", receipt="r", body="{}")), now=NOW)
    assert summary.text() == "1 dead letter of 0 known customers, the oldest -: 1 unreadable (function)"
    for _ in range(2):
        summary.add(given_up(), now=NOW)
    assert summary.text().endswith("2 exhausted (given-up), 1 unreadable (function)")


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 10, "-1", "one", ""])
def test_a_count_that_nobody_can_have_counted_is_none(digits: str) -> None:
    attributes = {"dead_letter_reason": "exhausted", "dead_letter_receives": digits}
    assert read_letter("given-up", message(attributes=attributes)).receives is None


@pytest.mark.parametrize("count", [True, -1, 10**10, 1.5, "7"])
def test_a_function_s_count_that_nobody_can_have_counted_is_none(count: object) -> None:
    body = failure({"Message": BODY}, requestContext={"approximateInvokeCount": count})
    assert read_letter("function", message(body)).receives is None
