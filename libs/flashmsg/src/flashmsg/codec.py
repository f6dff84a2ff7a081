"""From an event to the text on the wire, and back from every wrapping that AWS puts around it.

Whatever comes in, the `decode` functions return an event or raise a `FlashmsgError`, nothing else.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from flashmsg.documents import faults, field_errors, read_document, read_text
from flashmsg.errors import FieldError, InvalidRequestError, MalformedMessageError, UnsupportedVersionError
from flashmsg.events import ORDER_API_SOURCE, ORDER_PLACED_TYPE, SPEC_VERSION, CloudEvent, OrderPlaced
from flashmsg.orders import MAX_LINES, Order, OrderRequest
from flashmsg.outcomes import OUTCOME_TYPES, OrderOutcome
from flashmsg.reservations import Reservation

_MAX_FIELDS = 20  # an order and its lines have two each
_SPEC_VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_ORDER_PLACED = re.compile(r"com\.flashsale\.order\.placed\.v[1-9][0-9]{0,3}")
# Of an end that this version does not know, too.
_ANY_OUTCOME = re.compile(r"com\.flashsale\.order\.(?!placed\.)[a-z_]{1,40}\.v[1-9][0-9]{0,3}")

_Event = TypeVar("_Event", OrderPlaced, OrderOutcome)


def encode(event: CloudEvent) -> str:
    """Return the event as compact JSON in ASCII: SQS refuses some characters, and none of them is left."""
    return event.model_dump_json(exclude_none=True, ensure_ascii=True)


def encode_placed(order: Order, *, traceparent: str, reservation: Reservation | None = None) -> str:
    """Return `encode(OrderPlaced.of(…))` of parts that are sound by themselves, at half its cost: it checks nothing."""
    event = {
        "specversion": SPEC_VERSION,
        "id": order.order_id,
        "source": ORDER_API_SOURCE,
        "type": ORDER_PLACED_TYPE,
        "subject": order.order_id,
        "time": order.created_at,
        "datacontenttype": "application/json",
        "traceparent": traceparent,
        **({} if reservation is None else {"reservation": reservation}),
        "data": order,
    }
    return to_json(event, ensure_ascii=True).decode("ascii")


def decode(body: str | bytes) -> OrderPlaced:
    """Return the CloudEvent in `body`."""
    text = read_text(body)
    return _event(OrderPlaced, text, read_document(text))


def decode_outcome(body: str | bytes) -> OrderOutcome:
    """Return the outcome in the body of an SQS message: delivered raw, or in an SNS envelope."""
    return _event(OrderOutcome, *_unwrapped(body))


def decode_sqs_body(body: str | bytes) -> OrderPlaced:
    """Return the event in the body of an SQS message: delivered raw, or in an SNS envelope."""
    return _event(OrderPlaced, *_unwrapped(body))


def decode_lambda_sns_record(record: Mapping[str, object]) -> OrderPlaced:
    """Return the event in one record of an SNS invocation of a function."""
    return decode(read_text(_member(_member(record, "Sns"), "Message")))


def decode_lambda_sqs_record(record: Mapping[str, object]) -> OrderPlaced:
    """Return the event in one record of an SQS invocation of a function, raw or in an SNS envelope."""
    return _event(OrderPlaced, *_unwrapped(_member(record, "body")))


def parse_request(body: bytes) -> OrderRequest:
    """Return the order request in an HTTP body; raises InvalidRequestError that names each field at fault.

    Unknown fields are refused: a client that writes `qty` must not get an order with a default in its place.
    Equal keys are refused too, of which pydantic alone would take the last.
    """
    try:
        text = read_text(body)
        document = read_document(text)
    except MalformedMessageError as exc:
        raise InvalidRequestError("Not an order request", errors=exc.errors, well_formed=False) from exc
    _refuse_oversize(document)
    try:
        return OrderRequest.model_validate_json(text)
    except ValidationError as exc:
        well_formed = exc.error_count() > 1 or exc.errors()[0]["type"] != "json_invalid"
        found = faults(text) or field_errors(exc)
        raise InvalidRequestError("Not an order request", errors=found, well_formed=well_formed) from exc


def json_schema(event: type[CloudEvent] = OrderPlaced) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an event on the wire."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **event.model_json_schema(mode="validation"),
    }


def _refuse_oversize(document: object) -> None:
    # pydantic finds every fault before it stops: 64 KiB of wrong lines or fields would hold a server for 0.2 s.
    lines = document.get("items") if isinstance(document, dict) else None
    if isinstance(lines, list) and len(lines) > MAX_LINES:
        fault = FieldError(loc=("items",), message=f"An order has at most {MAX_LINES} lines, not {len(lines)}")
        raise InvalidRequestError("Not an order request", errors=[fault], well_formed=True)
    _refuse_wide((), document)
    for index, line in enumerate(lines if isinstance(lines, list) else ()):
        _refuse_wide(("items", index), line)


def _refuse_wide(loc: tuple[str | int, ...], value: object) -> None:
    if isinstance(value, dict) and len(value) > _MAX_FIELDS:
        fault = FieldError(loc=loc, message=f"An object has at most {_MAX_FIELDS} fields, not {len(value)}")
        raise InvalidRequestError("Not an order request", errors=[fault], well_formed=True)


def _unwrapped(body: object) -> tuple[str, object]:
    text = read_text(body)
    document = read_document(text)
    if isinstance(document, dict) and document.get("Type") == "Notification":
        text = read_text(document.get("Message"))
        document = read_document(text)
    return text, document


def _member(record: object, key: str) -> object:
    if not isinstance(record, Mapping) or key not in record:
        raise MalformedMessageError(f"The record has no {key}")
    return record[key]


def _event(kind: type[_Event], text: str, document: object) -> _Event:
    if isinstance(document, dict):
        _refuse_other_versions(kind, document)
    try:
        return kind.model_validate_json(text)
    except ValidationError as exc:
        raise MalformedMessageError("Not an order event", errors=faults(text) or field_errors(exc)) from exc


def _refuse_other_versions(kind: type[CloudEvent], document: Mapping[str, object]) -> None:
    spec, name = document.get("specversion"), document.get("type")
    if not isinstance(spec, str) or not isinstance(name, str):
        return
    ours, read = (_ORDER_PLACED, (ORDER_PLACED_TYPE,)) if kind is OrderPlaced else (_ANY_OUTCOME, OUTCOME_TYPES)
    if ours.fullmatch(name) and name not in read:
        raise UnsupportedVersionError(f"No reader for {name}")
    if _SPEC_VERSION.fullmatch(spec) and spec != SPEC_VERSION:
        raise UnsupportedVersionError(f"No reader for CloudEvents {spec}")
