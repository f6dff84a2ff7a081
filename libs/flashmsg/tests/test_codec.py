import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flashmsg import (
    FlashmsgError,
    MalformedMessageError,
    Order,
    OrderPlaced,
    UnsupportedVersionError,
    decode,
    decode_lambda_sns_record,
    decode_lambda_sqs_record,
    decode_sqs_body,
    encode,
    json_schema,
)

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))
DECODERS: dict[str, Callable[[Any], OrderPlaced]] = {
    "sqs": decode_sqs_body,
    "lambda_sns": decode_lambda_sns_record,
    "lambda_sqs": decode_lambda_sqs_record,
}
ERRORS = {"malformed": MalformedMessageError, "unsupported_version": UnsupportedVersionError}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus(path: Path) -> None:
    case = json.loads(path.read_text())
    read, expected = DECODERS[case["wrapping"]], case["expect"]
    if "error" in expected:
        with pytest.raises(FlashmsgError) as caught:
            read(case["body"])
        assert type(caught.value) is ERRORS[expected["error"]]
        assert caught.value.reason == expected["error"]
        assert caught.value.retryable is False
    else:
        order = read(case["body"]).data
        assert {name: getattr(order, name) for name in expected} == expected


def test_corpus_is_there() -> None:
    assert len(CORPUS) >= 40


def test_wire_form_is_compact_ascii_of_cloudevents(order: Order) -> None:
    text = encode(OrderPlaced.of(order))
    assert text.isascii()
    assert ": " not in text
    wire = json.loads(text)
    assert wire.pop("data")["total_minor"] == 28_300
    assert wire == {
        "specversion": "1.0",
        "id": order.order_id,
        "source": "/flash-sale/order-api",
        "type": "com.flashsale.order.placed.v1",
        "subject": order.order_id,
        "time": "2026-11-22T21:00:00Z",
        "datacontenttype": "application/json",
    }


def test_what_is_no_traceparent_is_left_out(order: Order) -> None:
    assert OrderPlaced.of(order, traceparent="00-xyz").traceparent is None


def test_decode_reads_no_sns_envelope(event: OrderPlaced) -> None:
    assert decode(encode(event)) == event
    with pytest.raises(MalformedMessageError):
        decode(json.dumps({"Type": "Notification", "Message": encode(event)}))


def test_error_names_the_field_and_repeats_no_value(event: OrderPlaced) -> None:
    text = encode(event).replace('"quantity":2', '"quantity":"secret"')
    with pytest.raises(MalformedMessageError) as caught:
        decode(text)
    assert [error.pointer for error in caught.value.errors] == ["/data/items/0/quantity"]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "com.flashsale.order.placed.v2"}, "No reader for com.flashsale.order.placed.v2"),
        ({"specversion": "2.0"}, "No reader for CloudEvents 2.0"),
    ],
)
def test_a_version_that_is_not_read_is_named(event: OrderPlaced, change: dict[str, str], said: str) -> None:
    with pytest.raises(UnsupportedVersionError) as caught:
        decode(json.dumps(json.loads(encode(event)) | change))
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{\xff", "The body is not JSON: Not UTF-8 at byte 1"),
        ("{\n}x", "The body is not strict JSON: Invalid JSON: Extra data at line 2 column 2"),
        ('{"a":[NaN]}', "The body is not strict JSON: /a/0: NaN is not a JSON number"),
        ('{"a":{"b":1,"b":2}}', "The body is not strict JSON: /a/b: The key is repeated"),
        ("{}", "Not an order event: /specversion: Field required; /id: Field required"),
        ('{"\\ud800":1}', "Not an order event: /\\ud800: Text must not contain a lone surrogate"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(body: str | bytes, said: str) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        decode(body)
    assert str(caught.value).startswith(said)


def test_a_place_is_shown_down_to_its_sixteenth_level() -> None:
    with pytest.raises(MalformedMessageError) as caught:
        decode("[" * 20 + "NaN" + "]" * 20)
    assert [error.pointer for error in caught.value.errors] == ["/0" * 16]


def test_body_that_is_no_text_is_malformed() -> None:
    with pytest.raises(MalformedMessageError, match=r"^The body is not text$"):
        decode_sqs_body(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("read", "record", "absent"),
    [
        (decode_lambda_sns_record, {}, "Sns"),
        (decode_lambda_sns_record, {"Sns": {}}, "Message"),
        (decode_lambda_sns_record, {"Sns": 1}, "Message"),
        (decode_lambda_sqs_record, {}, "body"),
    ],
)
def test_a_record_without_a_message_is_told_what_it_lacks(
    read: Callable[[Any], OrderPlaced], record: dict[str, object], absent: str
) -> None:
    with pytest.raises(MalformedMessageError, match=f"^The record has no {absent}$"):
        read(record)


def test_schema_accepts_what_is_encoded_and_refuses_the_rest(event: OrderPlaced) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    assert json.loads(json.dumps(schema)) == schema
    validator = jsonschema.Draft202012Validator(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    wire = json.loads(encode(event))
    assert validator.is_valid(wire)
    assert validator.is_valid({**wire, "extension": 1})
    assert not validator.is_valid({**wire, "type": "com.flashsale.order.placed.v2"})
    assert not validator.is_valid({key: wire[key] for key in wire if key != "specversion"})
    assert not validator.is_valid({**wire, "data": {**wire["data"], "currency": "usd"}})
