"""From an event to the text on the wire, and back from every wrapping that AWS puts around it.

Whatever comes in, the `decode` functions return an event or raise a `FlashmsgError`, nothing else.
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from flashmsg.documents import faults, field_errors, read_document, read_text
from flashmsg.errors import MalformedMessageError, UnsupportedVersionError
from flashmsg.events import ORDER_API_SOURCE, ORDER_PLACED_TYPE, SPEC_VERSION, CloudEvent, OrderPlaced
from flashmsg.orders import Order
from flashmsg.outcomes import OUTCOME_TYPES, OrderOutcome
from flashmsg.reservations import Reservation

_SPEC_VERSION = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}")
_ORDER_PLACED = re.compile(r"com\.flashsale\.order\.placed\.v[1-9][0-9]{0,3}")
# Of an end that this version does not know, too.
_ANY_OUTCOME = re.compile(r"com\.flashsale\.order\.(?!placed\.)[a-z_]{1,40}\.v[1-9][0-9]{0,3}")

_Event = TypeVar("_Event", OrderPlaced, OrderOutcome)


def encode(event: CloudEvent) -> str:
    """Return the event as compact JSON in ASCII: SQS refuses some characters, and none of them is left."""
    return event.model_dump_json(exclude_none=True, ensure_ascii=True)


def encode_placed(order: Order, *, traceparent: str, reservation: Reservation | None = None) -> str:
    """Return `encode(OrderPlaced.of(…))` of sound parts, written down: nothing in them needs an escape.

    The intake does this for every order, and a serializer costs several times as much (decision 74).
    """
    order_id, moment = order.order_id, order.created_at.isoformat().replace("+00:00", "Z")
    reserved = ""
    if reservation is not None:
        units = ",".join([f'"{product_id}":{count}' for product_id, count in reservation.units.items()])
        reserved = f'"reservation":{{"id":"{reservation.id}","units":{{{units}}}}},'
    items = ",".join(
        [
            f'{{"product_id":"{line.product_id}","quantity":{line.quantity},"unit_price_minor":{line.unit_price_minor}}}'
            for line in order.items
        ]
    )
    return (
        f'{{"specversion":"{SPEC_VERSION}","id":"{order_id}","source":"{ORDER_API_SOURCE}",'
        f'"type":"{ORDER_PLACED_TYPE}","subject":"{order_id}","time":"{moment}",'
        f'"datacontenttype":"application/json","traceparent":"{traceparent}",{reserved}"data":{{'
        f'"order_id":"{order_id}","customer_id":{order.customer_id},"items":[{items}],'
        f'"currency":"{order.currency}","total_minor":{order.total_minor},"created_at":"{moment}"}}}}'
    )


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


def json_schema(event: type[CloudEvent] = OrderPlaced) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of an event on the wire."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **event.model_json_schema(mode="validation"),
    }


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
    if name not in read and ours.fullmatch(name):
        raise UnsupportedVersionError(f"No reader for {name}")
    if spec != SPEC_VERSION and _SPEC_VERSION.fullmatch(spec):
        raise UnsupportedVersionError(f"No reader for CloudEvents {spec}")
