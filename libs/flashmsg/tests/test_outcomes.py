"""The event that an order has come to its end, on the wire and back."""

import json
from datetime import timedelta
from typing import Any

import pytest

from flashmsg import (
    OUTCOME_TYPES,
    EndedOrder,
    MalformedMessageError,
    Order,
    OrderOutcome,
    OrderPlaced,
    OrderStatus,
    UnsupportedVersionError,
    decode_outcome,
    decode_sqs_body,
    encode,
    json_schema,
)

ENDS = [status for status in OrderStatus if status.is_terminal]


def ended(order: Order, status: OrderStatus = OrderStatus.COMPLETED) -> EndedOrder:
    paid = status is OrderStatus.COMPLETED
    return EndedOrder(
        **dict(order),
        status=status,
        ended_at=order.created_at + timedelta(seconds=3),
        attempt=2,
        charge_id="ch_1" if paid else None,
        reason=None if paid else "card_declined",
    )


@pytest.mark.parametrize("status", ENDS)
def test_an_outcome_survives_the_wire_raw_and_in_an_envelope(order: Order, status: OrderStatus) -> None:
    outcome = OrderOutcome.of(ended(order, status))
    assert outcome.type in OUTCOME_TYPES
    assert decode_outcome(encode(outcome)) == outcome
    assert decode_outcome(json.dumps({"Type": "Notification", "Message": encode(outcome)})) == outcome


def test_an_outcome_is_a_cloud_event_that_holds_the_whole_order(order: Order) -> None:
    wire = json.loads(encode(OrderOutcome.of(ended(order))))
    assert wire.pop("data") == json.loads(order.model_dump_json()) | {
        "status": "completed",
        "ended_at": "2026-11-22T21:00:03Z",
        "attempt": 2,
        "charge_id": "ch_1",
    }
    assert wire == {
        "specversion": "1.0",
        "id": f"{order.order_id}.completed.2",
        "source": "/flash-sale/orders",
        "type": "com.flashsale.order.completed.v1",
        "subject": order.order_id,
        "time": "2026-11-22T21:00:03Z",
        "datacontenttype": "application/json",
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "com.flashsale.order.declined.v1"},
        {"subject": "ord_" + "a" * 40},
        {"data": {"status": "processing"}},
        {"data": {"attempt": -1}},
        {"data": {"ended_at": "2026-11-22T21:00:03"}},
    ],
)
def test_what_contradicts_itself_is_no_outcome(order: Order, changed: dict[str, Any]) -> None:
    wire = json.loads(encode(OrderOutcome.of(ended(order))))
    data = wire["data"] | changed.get("data", {})
    with pytest.raises(MalformedMessageError):
        decode_outcome(json.dumps(wire | changed | {"data": data}))


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "com.flashsale.order.completed.v2"},
        {"type": "com.flashsale.order.returned.v1"},
        {"specversion": "2.0"},
    ],
)
def test_an_end_or_a_version_that_is_not_known_is_told_from_rubbish(order: Order, changed: dict[str, str]) -> None:
    wire = json.loads(encode(OrderOutcome.of(ended(order))))
    with pytest.raises(UnsupportedVersionError):
        decode_outcome(json.dumps(wire | changed))


def test_neither_reader_takes_the_other_event(order: Order) -> None:
    with pytest.raises(MalformedMessageError):
        decode_outcome(encode(OrderPlaced.of(order)))
    with pytest.raises(MalformedMessageError):
        decode_sqs_body(encode(OrderOutcome.of(ended(order))))


def test_the_schema_takes_what_is_encoded_and_only_ends(order: Order) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json_schema(OrderOutcome))
    wire = json.loads(encode(OrderOutcome.of(ended(order))))
    assert validator.is_valid(wire)
    assert not validator.is_valid(wire | {"type": "com.flashsale.order.placed.v1"})
    assert not validator.is_valid(wire | {"data": wire["data"] | {"status": "processing"}})


def test_of_two_ends_of_an_order_the_later_one_is_told_without_a_clock(order: Order) -> None:
    # Given up, opened again by a redrive, given up once more and charged all the same; and paid back.
    one_after_another = [
        (0, OrderStatus.FAILED),
        (1, OrderStatus.FAILED),
        (1, OrderStatus.COMPLETED),
        (1, OrderStatus.REFUNDED),
    ]
    for status in (OrderStatus.DECLINED, OrderStatus.SOLD_OUT):
        assert _end(order, 1, OrderStatus.FAILED).sequence < _end(order, 2, status).sequence
    ends = [_end(order, attempt, status) for attempt, status in one_after_another]
    assert [end.sequence for end in ends] == sorted({end.sequence for end in ends})


def _end(order: Order, attempt: int, status: OrderStatus) -> EndedOrder:
    return ended(order, status).model_copy(update={"attempt": attempt})
