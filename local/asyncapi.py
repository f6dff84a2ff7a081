"""`docs/asyncapi.json`, written from the events themselves: `python -m local.asyncapi > docs/asyncapi.json`."""

import json
import sys
from collections.abc import Iterable
from typing import Any

from pydantic.json_schema import models_json_schema

from flashmsg import ORDER_PLACED_TYPE, OUTCOME_TYPES, CloudEvent, OrderOutcome, OrderPlaced

Document = dict[str, Any]

_EVENTS: tuple[type[CloudEvent], ...] = (OrderPlaced, OrderOutcome)
_ABOUT = (
    "Events are CloudEvents 1.0 in their JSON form. The type ends with the major version; within one, fields may be "
    "added, and readers ignore those that they do not know. A subscriber filters by the message attributes, and takes "
    "an event of a type that it does not know for none of its business. Delivery is at least once and in no order: the "
    "same event has the same id."
)
_TYPE = {"type": {"type": "string", "description": "The event's type, for filter policies."}}
_TRACE = {"traceparent": {"type": "string", "description": "W3C Trace Context of the request."}}
_OUTCOME = {
    "status": {"type": "string", "description": "How the order ended."},
    "customer_id": {"type": "string", "description": "Whose order it is."},
}


def asyncapi() -> Document:
    """The AsyncAPI 3 document of both topics."""
    placed, outcomes = [ORDER_PLACED_TYPE], list(OUTCOME_TYPES)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Flash sale: orders", "version": "1.0.0", "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {
            "orders": _channel("order-processing-events", "Orders that were accepted.", placed),
            "outcomes": _channel("order-outcomes", "How orders ended, once it is recorded.", outcomes),
        },
        "operations": {
            "acceptOrder": _sent("orders", "The order API, once for each accepted order at least."),
            "tellOutcome": _sent("outcomes", "Whatever brought the order to its end, or the reconciler for it."),
        },
        "components": {"messages": _messages(placed, outcomes), "schemas": _schemas()},
    }


def _messages(placed: Iterable[str], outcomes: Iterable[str]) -> Document:
    return {
        **{_name(kind): _message(kind, OrderPlaced, _TYPE | _TRACE) for kind in placed},
        **{_name(kind): _message(kind, OrderOutcome, _TYPE | _OUTCOME) for kind in outcomes},
    }


def _schemas() -> Document:
    events = [(event, "validation") for event in _EVENTS]
    _, schemas = models_json_schema(events, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    defined: Document = schemas["$defs"]
    return defined


def _name(kind: str) -> str:
    """`com.flashsale.order.sold_out.v1` → `orderSoldOut`."""
    return "order" + "".join(part.capitalize() for part in kind.split(".")[-2].split("_"))


def _channel(topic: str, description: str, kinds: Iterable[str]) -> Document:
    messages = {_name(kind): {"$ref": f"#/components/messages/{_name(kind)}"} for kind in kinds}
    return {"address": topic, "description": description, "messages": messages}


def _sent(channel: str, summary: str) -> Document:
    return {"action": "send", "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _message(kind: str, event: type[CloudEvent], headers: Document) -> Document:
    of_this_kind = {"type": "object", "properties": {"type": {"const": kind}}}
    return {
        "name": kind,
        "contentType": "application/json",
        "headers": {"type": "object", "properties": headers},
        "payload": {"allOf": [{"$ref": f"#/components/schemas/{event.__name__}"}, of_this_kind]},
    }


def asyncapi_text() -> str:
    """The whole file."""
    return json.dumps(asyncapi(), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(asyncapi_text())
