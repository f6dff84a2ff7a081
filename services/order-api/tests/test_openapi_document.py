"""What the document says beside the schemas that answers are held against."""

from typing import Any

import pytest

from order_api.openapi import document


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {(path, method): said for path, methods in document()["paths"].items() for method, said in methods.items()}


def test_what_a_request_may_bring_beside_its_body_is_described() -> None:
    brought = {
        place: [(one["name"], one["in"], one["required"]) for one in said.get("parameters", [])]
        for place, said in operations().items()
    }
    order_id, trace = ("order_id", "path", True), ("traceparent", "header", False)
    etag = ("If-None-Match", "header", False)
    placing = [("Idempotency-Key", "header", False), trace]
    assert brought == {
        ("/orders/async", "post"): placing,
        ("/orders/sync", "post"): placing,
        ("/orders/{order_id}", "get"): [order_id, trace],
        ("/orders/{order_id}", "delete"): [order_id, trace],
        ("/orders/{order_id}/cancel", "post"): [order_id, trace],
        ("/products", "get"): [etag],
        ("/products/{product_id}", "get"): [("product_id", "path", True), etag],
        ("/health", "get"): [],
    }
    assert all(said.get("requestBody", {}).get("required", True) for said in operations().values())


def test_every_answer_that_may_come_is_described() -> None:
    placing = "202 400 408 409 413 415 422 500 503"
    assert {place: " ".join(said["responses"]) for place, said in operations().items()} == {
        ("/orders/async", "post"): placing,
        ("/orders/sync", "post"): "200 202 400 404 408 409 413 415 422 500 502 503",
        ("/orders/{order_id}", "get"): "200 404 500 503",
        ("/orders/{order_id}", "delete"): "200 202 404 409 500 503",
        ("/orders/{order_id}/cancel", "post"): "200 202 404 409 500 503",
        ("/products", "get"): "200 304 500 503",
        ("/products/{product_id}", "get"): "200 304 404 500 503",
        ("/health", "get"): "200",
    }


def headers_of(name: str) -> dict[str, tuple[dict[str, Any], bool]]:
    """The schema of a header wherever it is described, and whether it always comes."""
    return {
        f"{method} {path} {status}": (response["headers"][name]["schema"], response["headers"][name]["required"])
        for (path, method), said in operations().items()
        for status, response in said["responses"].items()
        if name in response.get("headers", {})
    }


def test_when_to_come_back_is_described_as_seconds_up_to_a_minute() -> None:
    described = headers_of("Retry-After")
    assert [schema for schema, _ in described.values()] == [{"type": "integer", "minimum": 1, "maximum": 60}] * 11
    # A conflict may be for good.
    sometimes = {place for place, (_, always) in described.items() if not always}
    assert sometimes == {
        "post /orders/sync 409",
        "delete /orders/{order_id} 409",
        "post /orders/{order_id}/cancel 409",
    }


def test_where_an_order_is_and_how_long_an_answer_is_good_is_described() -> None:
    assert headers_of("Location") == dict.fromkeys(
        ("post /orders/async 202", "post /orders/sync 202"), ({"type": "string"}, True)
    )
    cacheable = [f"get {path} {status}" for path in ("/products", "/products/{product_id}") for status in (200, 304)]
    assert headers_of("ETag") == dict.fromkeys(cacheable, ({"type": "string"}, True))
    assert headers_of("Cache-Control") == dict.fromkeys(cacheable, ({"const": "public, max-age=1"}, True))


def bounds_of(model: str, name: str) -> tuple[int | None, int | None]:
    schema = document()["components"]["schemas"][model]["properties"][name]
    number = next(one for one in (schema, *schema.get("anyOf", ())) if one.get("type") == "integer")
    return number.get("minimum"), number.get("maximum")


@pytest.mark.parametrize(
    ("model", "name", "bounds"),
    [
        ("OrderView", "total_minor", (0, None)),
        ("ProductView", "unit_price_minor", (0, None)),
        ("ProductView", "available", (0, None)),
        ("ProductView", "customer_limit", (1, None)),
        ("Problem", "status", (400, 599)),
        ("UnknownOutcome", "status", (400, 599)),
    ],
)
def test_a_number_is_described_with_its_bounds(model: str, name: str, bounds: tuple[int | None, int | None]) -> None:
    assert bounds_of(model, name) == bounds


def test_an_operation_has_a_name_of_its_own_for_those_who_generate_clients() -> None:
    assert sorted(said["operationId"] for said in operations().values()) == [
        "cancelOrder",
        "cancelOrderByPost",
        "getHealth",
        "getOrder",
        "getProduct",
        "listProducts",
        "placeOrder",
        "placeOrderAndWait",
    ]
    assert (document()["info"]["version"], document()["openapi"]) == ("1.0.0", "3.1.0")
