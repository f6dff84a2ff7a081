"""The interface as OpenAPI 3.1, made of the very models that the handlers use."""

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from flashmsg import OrderRequest
from order_api.intake import IDEMPOTENCY_KEY
from order_api.retry_after import LONGEST
from order_api.views import (
    HealthView,
    OrderAccepted,
    OrderView,
    Problem,
    ProductList,
    ProductView,
    UnknownOutcome,
)

VERSION = "1.0.0"
_PROBLEM_JSON = "application/problem+json"
_JSON = "application/json"
_REFUSALS = {
    400: "The body is no JSON, or a header is wrong.",
    404: "There is no such order, or no such product.",
    408: "The body did not arrive in time.",
    409: "`sold-out`: fewer units of a limited product are left. `limit-reached`: one customer may not order as many.",
    413: "The body is too large.",
    415: "The body is not plain application/json in UTF-8.",
    422: "The JSON is no order that can be taken, or its key stands for another: `errors` names each field at fault.",
    502: "The payment provider refused our request.",
    500: "Our fault.",
    503: "Not now. `Retry-After` says when to try again.",
}
_IN_PROGRESS = "`in-progress`: the same order is being paid already; it alone has a `Retry-After`. "
_TOO_LATE = (
    "`payment-in-progress`: the order is being paid. `not-taken-up`: it waits to be, or it ended too long ago; said"
    " only where ended orders expire. These two have a `Retry-After`. `already-declined`, `already-sold-out`,"
    " `already-failed`: it was not charged, and there is nothing to cancel."
)
_UNDECIDED = (
    "It is not known whether the order is cancelled. Repeat the request after `Retry-After`, or ask for the order: what"
    " was decided stands."
)
_INTAKE_REFUSALS = (400, 408, 409, 413, 415, 422, 500, 503)
# These may come after the order was handed on.
_MAYBE_TAKEN = frozenset({409, 500, 502, 503})
_MAYBE_TAKEN_TEXT = (
    " Without `idempotency_key` in the document the order was not accepted. With it there may be an order: sent again"
    " with this key, the same body is the same order and is charged at most once."
)
_WITH_RETRY_AFTER = frozenset({502, 503})
_MODELS: tuple[tuple[type[BaseModel], Literal["validation", "serialization"]], ...] = (
    (OrderRequest, "validation"),
    (OrderAccepted, "serialization"),
    (OrderView, "serialization"),
    (ProductList, "serialization"),
    (ProductView, "serialization"),
    (Problem, "serialization"),
    (UnknownOutcome, "serialization"),
    (HealthView, "serialization"),
)
_TRACEPARENT = {
    "name": "traceparent",
    "in": "header",
    "required": False,
    "description": "W3C trace context; it follows the order to its charge.",
    "schema": {"type": "string"},
}
_KEY = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "required": False,
    "description": (
        "Requests of one customer with the same key are the same order, however often they are sent, for at least 24"
        " hours: the same body gets the same answer at the price of its first acceptance, another one 422."
    ),
    "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]+$"},
}
_ORDER_ID = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^ord_[a-z2-7]{40}$"},
}
_PRODUCT_ID = {
    "name": "product_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"},
}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the answer that the client has: 304 while it still holds.",
    "schema": {"type": "string"},
}
_CACHING = {
    "Cache-Control": {"description": "Good for a second.", "schema": {"const": "public, max-age=1"}, "required": True},
    "ETag": {"description": "A strong validator of the answer.", "schema": {"type": "string"}, "required": True},
}


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    _, schemas = models_json_schema(_MODELS, ref_template="#/components/schemas/{model}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Flash sale: orders",
            "version": VERSION,
            "description": "Takes orders onto a queue in milliseconds, or settles them in the request.",
        },
        "paths": _paths(),
        "components": {"schemas": schemas["$defs"]},
    }


def _paths() -> dict[str, Any]:
    return {
        "/orders/async": {"post": _post_async()},
        "/orders/sync": {"post": _post_sync()},
        "/orders/{order_id}": {"get": _get_order(), "delete": _cancel("cancelOrder")},
        "/orders/{order_id}/cancel": {"post": _cancel("cancelOrderByPost")},
        "/products": {"get": _get_products()},
        "/products/{product_id}": {"get": _get_product()},
        "/health": {"get": _operation("getHealth", "Tell that the process answers.", {200: _ok(HealthView)})},
    }


def document_json() -> bytes:
    """Return the document as it is served."""
    return json.dumps(document(), separators=(",", ":")).encode()


def _post_async() -> dict[str, Any]:
    return _order_operation(
        "placeOrder",
        "Queue an order; the answer comes once it is safely queued.",
        {202: _accepted(), **_refused(*_INTAKE_REFUSALS, placing=True)},
    )


def _post_sync() -> dict[str, Any]:
    return _order_operation(
        "placeOrderAndWait",
        "Settle an order in the request; if that takes too long it is queued.",
        {
            200: _ok(OrderView, "The order in a terminal status, or `refunding` when it was cancelled meanwhile."),
            202: _accepted(),
        }
        | _refused(*_INTAKE_REFUSALS, 502, placing=True)
        | {404: _sync_closed(), 409: _sync_conflict()},
    )


def _get_order() -> dict[str, Any]:
    known = "The order as far as it is known; `pending` again, where ended orders expire, once it is not any more."
    responses = {200: _ok(OrderView, known), **_refused(404, 500, 503)}
    return _operation("getOrder", "Tell how an order goes.", responses) | {"parameters": [_ORDER_ID, _TRACEPARENT]}


def _cancel(operation_id: str) -> dict[str, Any]:
    conflict = _refusal(409, maybe_taken=False) | {
        "description": _TOO_LATE,
        "headers": {"Retry-After": _retry_after(always=False)},
    }
    responses = {
        200: _ok(OrderView, "`cancelled`: it is not charged, ever; `refunded`: it was, and the money is back."),
        202: _ok(OrderView, "`refunding`: the money goes back, and it is not certain yet that it has."),
        **_refused(404, 500),
        409: conflict,
        503: _refusal(503, maybe_taken=False) | {"description": _UNDECIDED},
    }
    summary = "Cancel an order, or pay it back. Repeated it gets the same answer. Who has the id may do so."
    return _operation(operation_id, summary, responses) | {"parameters": [_ORDER_ID, _TRACEPARENT]}


def _get_products() -> dict[str, Any]:
    responses = _cacheable(ProductList) | _refused(500, 503)
    return _operation("listProducts", "Tell what is for sale, at which price, and what is left.", responses) | {
        "parameters": [_IF_NONE_MATCH]
    }


def _get_product() -> dict[str, Any]:
    responses = _cacheable(ProductView) | _refused(404, 500, 503)
    return _operation("getProduct", "Tell the price of a product and what is left of it.", responses) | {
        "parameters": [_PRODUCT_ID, _IF_NONE_MATCH]
    }


def _cacheable(model: type[BaseModel]) -> dict[int, dict[str, Any]]:
    unchanged = {"description": "The client has it already.", "headers": _CACHING}
    return {200: _ok(model) | {"headers": _CACHING}, 304: unchanged}


def _order_operation(operation_id: str, summary: str, responses: Mapping[int, object]) -> dict[str, Any]:
    return _operation(operation_id, summary, responses) | {
        "parameters": [_KEY, _TRACEPARENT],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _reference(OrderRequest)}}},
    }


def _operation(operation_id: str, summary: str, responses: Mapping[int, object]) -> dict[str, Any]:
    by_status = {str(status): response for status, response in sorted(responses.items())}
    return {"operationId": operation_id, "summary": summary, "responses": by_status}


def _ok(model: type[BaseModel], description: str | None = None) -> dict[str, Any]:
    return {
        "description": description or (model.__doc__ or "").strip(),
        "content": {_JSON: {"schema": _reference(model)}},
    }


def _accepted() -> dict[str, Any]:
    location = {"description": "Where to ask how the order goes.", "schema": {"type": "string"}, "required": True}
    return _ok(OrderAccepted) | {"headers": {"Location": location}}


def _refused(*statuses: int, placing: bool = False) -> dict[int, dict[str, Any]]:
    return {status: _refusal(status, maybe_taken=placing and status in _MAYBE_TAKEN) for status in statuses}


def _refusal(status: int, *, maybe_taken: bool) -> dict[str, Any]:
    schema: dict[str, Any] = _reference(Problem)
    if maybe_taken:
        schema = {"anyOf": [_reference(UnknownOutcome), schema]}
    refusal: dict[str, Any] = {
        "description": _REFUSALS[status] + (_MAYBE_TAKEN_TEXT if maybe_taken else ""),
        "content": {_PROBLEM_JSON: {"schema": schema}},
    }
    if status in _WITH_RETRY_AFTER:
        refusal["headers"] = {"Retry-After": _retry_after(always=True)}
    return refusal


def _sync_conflict() -> dict[str, Any]:
    refusal = _refusal(409, maybe_taken=True)
    return refusal | {
        "description": _IN_PROGRESS + refusal["description"],
        "headers": {"Retry-After": _retry_after(always=False)},
    }


def _sync_closed() -> dict[str, Any]:
    return _refusal(404, maybe_taken=False) | {"description": "`closed`: orders are only queued here."}


def _retry_after(*, always: bool) -> dict[str, Any]:
    seconds = {"type": "integer", "minimum": 1, "maximum": int(LONGEST.total_seconds())}
    return {"description": "Seconds to wait.", "schema": seconds, "required": always}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}
