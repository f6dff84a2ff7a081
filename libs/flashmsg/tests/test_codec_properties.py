"""Whatever comes in: an event, or a FlashmsgError, and nothing else."""

import json
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flashmsg import (
    FlashmsgError,
    InvalidRequestError,
    Order,
    OrderPlaced,
    PricedLine,
    Reservation,
    decode,
    decode_lambda_sns_record,
    decode_lambda_sqs_record,
    decode_sqs_body,
    encode,
    encode_placed,
    parse_request,
)

T = TypeVar("T")

lines = st.lists(
    st.builds(
        PricedLine,
        product_id=st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True),
        quantity=st.integers(1, 100),
        unit_price_minor=st.integers(0, 10**12),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda line: line.product_id,
)


traceparents = st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", fullmatch=True)
reservations = st.builds(
    Reservation,
    id=st.from_regex(r"rsv_[a-z2-7]{20,80}", fullmatch=True),
    units=st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True), st.integers(1, 100), min_size=1, max_size=6
    ),
)


@st.composite
def events(draw: st.DrawFn) -> OrderPlaced:
    items = tuple(draw(lines))
    order = Order(
        order_id=draw(st.from_regex(r"ord_[a-z2-7]{20,80}", fullmatch=True)),
        customer_id=draw(st.integers(1, 2**53 - 1)),
        items=items,
        currency=draw(st.from_regex(r"[A-Z]{3}", fullmatch=True)),
        total_minor=sum(line.total_minor for line in items),
        created_at=draw(st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1))),  # noqa: DTZ001 - bound
    )
    return OrderPlaced.of(order, traceparent=draw(st.none() | traceparents))


numbers = st.floats() | st.integers(-(10**30), 10**30)
# Text with lone surrogates and NUL on purpose: json.dumps writes both as escapes.
texts = st.text(st.characters(codec=None), max_size=20)
members = st.sampled_from(
    ["Type", "Message", "Sns", "body", "specversion", "type", "id", "subject", "data", "items", "customer_id"]
)
values = st.sampled_from(
    ["Notification", "1.0", "2.0", "com.flashsale.order.placed.v1", "com.flashsale.order.placed.v2", "ord_" + "a" * 26]
)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts | values,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(members | texts, inner, max_size=5),
    max_leaves=12,
)


def in_envelope(event: OrderPlaced) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "Message": encode(event)})


@given(event=events())
def test_every_wrapping_gives_the_event_back(event: OrderPlaced) -> None:
    text = encode(event)
    assert text.isascii()
    assert decode(text) == event
    assert decode(text.encode()) == event
    assert decode_sqs_body(text) == event
    assert decode_sqs_body(in_envelope(event).encode()) == event
    assert decode_lambda_sns_record({"Sns": {"Message": text}}) == event
    assert decode_lambda_sqs_record({"body": text}) == event
    assert decode_lambda_sqs_record({"body": in_envelope(event)}) == event
    assert decode(text).data.fingerprint == event.data.fingerprint


@settings(max_examples=25)
@given(event=events(), traceparent=traceparents, reservation=st.none() | reservations)
def test_an_order_is_encoded_as_its_event_is(
    event: OrderPlaced, traceparent: str, reservation: Reservation | None
) -> None:
    order = event.data
    text = encode_placed(order, traceparent=traceparent, reservation=reservation)
    assert text == encode(OrderPlaced.of(order, traceparent=traceparent, reservation=reservation))


@settings(max_examples=25)
@given(event=events())
def test_a_line_of_sound_parts_is_the_line_that_was_checked(event: OrderPlaced) -> None:
    for checked in event.data.items:
        made = PricedLine.of_sound_parts(
            product_id=checked.product_id,
            quantity=checked.quantity,
            unit_price_minor=checked.unit_price_minor,
        )
        assert made == checked
        assert hash(made) == hash(checked)
        assert made.model_dump_json() == checked.model_dump_json()
        assert made.model_fields_set == checked.model_fields_set


@settings(max_examples=25)
@given(event=events())
def test_an_order_of_sound_parts_is_the_order_that_was_checked(event: OrderPlaced) -> None:
    checked = event.data
    made = Order.of_sound_parts(
        order_id=checked.order_id,
        customer_id=checked.customer_id,
        items=checked.items,
        currency=checked.currency,
        total_minor=checked.total_minor,
        created_at=checked.created_at,
    )
    assert made == checked
    assert hash(made) == hash(checked)
    assert made.model_dump_json() == checked.model_dump_json()
    assert made.model_fields_set == checked.model_fields_set
    assert pickle.loads(pickle.dumps(made)) == checked  # noqa: S301 - our own
    assert made.model_copy(update={"currency": "CHF"}) == checked.model_copy(update={"currency": "CHF"})
    assert OrderPlaced.of(made) == OrderPlaced.of(checked)
    with pytest.raises(ValidationError):
        made.currency = "CHF"  # type: ignore[misc]  # frozen


def refusal(read: Callable[[T], object], value: T) -> FlashmsgError | None:
    try:
        read(value)
    except FlashmsgError as exc:
        return exc
    return None


def is_printable(refused: FlashmsgError) -> bool:
    text = "\n".join([str(refused), *(f"{error.pointer} {error.message}" for error in refused.errors)])
    return text.encode("utf-8", "replace").decode() == text


@pytest.mark.parametrize("read", [decode, decode_sqs_body])
@given(body=st.binary() | texts | documents.map(json.dumps))
def test_any_body_is_read_or_refused(read: Callable[[str | bytes], OrderPlaced], body: str | bytes) -> None:
    refused = refusal(read, body)
    assert refused is not None
    assert refused.reason in {"malformed", "unsupported_version"}
    assert is_printable(refused)


@given(event=events(), data=st.data())
def test_a_damaged_event_is_read_or_refused(event: OrderPlaced, data: st.DataObject) -> None:
    wire = encode(event).encode()
    start = data.draw(st.integers(0, len(wire)))
    end = data.draw(st.integers(start, min(len(wire), start + 20)))
    damaged = wire[:start] + data.draw(st.binary(max_size=8)) + wire[end:]
    refused = refusal(decode, damaged)
    assert refused is None or is_printable(refused)


@pytest.mark.parametrize("read", [decode_lambda_sns_record, decode_lambda_sqs_record])
@given(record=st.dictionaries(members | texts, documents, max_size=5) | documents)
def test_any_record_is_refused(read: Callable[[object], OrderPlaced], record: object) -> None:
    refused = refusal(read, record)
    assert refused is not None
    assert is_printable(refused)


@given(body=st.binary() | documents.map(json.dumps).map(str.encode))
def test_any_other_request_is_refused_with_errors(body: bytes) -> None:
    refused = refusal(parse_request, body)
    assert isinstance(refused, InvalidRequestError)
    assert refused.errors
    assert is_printable(refused)


@settings(max_examples=25)
@given(checked=reservations)
def test_a_reservation_of_sound_parts_is_the_reservation_that_was_checked(checked: Reservation) -> None:
    made = Reservation.of_sound_parts(id=checked.id, units=checked.units)
    assert made == checked
    assert made.model_dump_json() == checked.model_dump_json()
    assert made.model_fields_set == checked.model_fields_set
