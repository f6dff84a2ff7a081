import asyncio
import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from flashpay.testing import Reply
from order_api.openapi import document
from order_api.testing import Answer, FakeStock, RunningApi, running_shop, wait_until


def test_the_document_is_valid_openapi_3_1() -> None:
    assert list(OpenAPIV31SpecValidator(document()).iter_errors()) == []


async def test_the_document_is_served(shop: RunningApi) -> None:
    answer = await shop.request("GET", "/openapi.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json == json.loads(json.dumps(document()))


async def test_every_route_for_customers_is_described(shop: RunningApi) -> None:
    routes = {
        (route.resource.canonical, route.method.lower())
        for route in shop.runner.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {(path, method) for path, operations in document()["paths"].items() for method in operations}
    assert {route for route in routes if route[0] != "/openapi.json"} == described


def fits(value: str, *, path: str, name: str) -> bool:
    """Whether the document lets a parameter have this value."""
    (operation, *_) = document()["paths"][path].values()
    (schema,) = (parameter["schema"] for parameter in operation["parameters"] if parameter["name"] == name)
    return bool(OAS31Validator(schema).is_valid(value))


@pytest.mark.parametrize("key", ["k", "!~", "x" * 255, "x" * 256, "a b", "", "é"])
async def test_a_key_is_taken_exactly_if_the_document_says_so(shop: RunningApi, key: str) -> None:
    answer = await shop.order("async", headers={"Idempotency-Key": key})
    assert answer.status in {202, 400}
    assert fits(key, path="/orders/async", name="Idempotency-Key") == (answer.status == 202)


async def test_names_in_paths_are_as_described(shop: RunningApi) -> None:
    order_id = (await shop.order("async")).json["order_id"]
    for path, name, good in (
        ("/orders/{order_id}", "order_id", order_id),
        ("/products/{product_id}", "product_id", "pen"),
    ):
        assert fits(good, path=path, name=name)
        assert not fits(good.upper(), path=path, name=name)
        assert not fits(good + "!", path=path, name=name)


def assert_described(answer: Answer, *, path: str, method: str) -> None:
    """Hold an answer against what the document says of its status."""
    specification = document()
    response = specification["paths"][path][method]["responses"][str(answer.status)]
    media_type = answer.headers["Content-Type"].split(";")[0]
    assert media_type in response["content"]
    assert ("Retry-After" in answer.headers) <= ("Retry-After" in response.get("headers", {}))
    registry: Registry[Any] = Registry().with_resource("urn:api", DRAFT202012.create_resource(specification))
    place = "/".join(["paths", path.replace("/", "~1"), method, "responses", str(answer.status), "content"])
    schema = {"$ref": f"urn:api#/{place}/{media_type.replace('/', '~1')}/schema"}
    OAS31Validator(schema, registry=registry).validate(answer.json)
    assert_headers(answer, response)


def assert_headers(answer: Answer, response: dict[str, Any]) -> None:
    for header, described in response.get("headers", {}).items():
        assert header in answer.headers or not described["required"]


def validate(answer: Answer, model: str) -> None:
    registry: Registry[Any] = Registry().with_resource("urn:api", DRAFT202012.create_resource(document()))
    OAS31Validator({"$ref": f"urn:api#/components/schemas/{model}"}, registry=registry).validate(answer.json)


async def test_the_validation_of_answers_notices_a_wrong_one() -> None:
    with pytest.raises(Exception, match="required property"):
        assert_described(
            Answer(status=202, headers={"Content-Type": "application/json"}, body=b"{}"),
            path="/orders/async",
            method="post",
        )


async def test_answers_of_the_intake_are_as_described(shop: RunningApi) -> None:
    headers = {"Content-Type": "application/json"}
    answers = {
        202: await shop.order("async"),
        400: await shop.request("POST", "/orders/async", data=b"{", headers=headers),
        413: await shop.request("POST", "/orders/async", data=b" " * 70_000, headers=headers),
        415: await shop.request("POST", "/orders/async", data=b"{}", headers={"Content-Type": "text/plain"}),
        422: await shop.order("async", quantity=0),
    }
    shop.topic.down = True
    answers[503] = await shop.order("async")
    for status, answer in answers.items():
        assert answer.status == status
        assert_described(answer, path="/orders/async", method="post")


async def test_answers_of_the_sync_intake_are_as_described(shop: RunningApi) -> None:
    key = {"Idempotency-Key": "k"}
    shop.gateway.plan(Reply.APPROVE, Reply.DECLINE, Reply.FAIL)
    answers = [await shop.order("sync", headers=key), await shop.order("sync"), await shop.order("sync")]
    answers.append(await shop.order("sync", headers=key, quantity=9))
    assert [answer.status for answer in answers] == [200, 200, 202, 422]
    for answer in answers:
        assert_described(answer, path="/orders/sync", method="post")


async def test_refusals_of_unknown_outcome_are_as_described(shop: RunningApi) -> None:
    key = {"Idempotency-Key": "k"}
    shop.topic.losing = True
    answers = [await shop.order("async"), await shop.order("async", headers=key)]
    shop.topic.losing = False
    shop.topic.down = shop.ledger.unavailable = True
    answers += [await shop.order("async", headers=key), await shop.order("sync", headers=key)]
    for path, answer in zip(["/orders/async"] * 3 + ["/orders/sync"], answers, strict=True):
        assert answer.status == 503
        assert_described(answer, path=path, method="post")
        validate(answer, "UnknownOutcome")
    certain = await shop.order("async")
    assert_described(certain, path="/orders/async", method="post")
    with pytest.raises(Exception, match="required property"):
        validate(certain, "UnknownOutcome")


async def test_answers_of_the_naive_shop_are_as_described() -> None:
    key = {"Idempotency-Key": "k"}
    async with running_shop(SYNC_FALLBACK="false") as shop:
        shop.gateway.hold()
        paying = asyncio.create_task(shop.order("sync", headers=key))
        await wait_until(lambda: shop.gateway.in_flight)
        busy = await shop.order("sync", headers=key)
        shop.gateway.let_go()
        paid = await paying
        del shop.ledger.entries[paid.json["order_id"]]
        refused = await shop.order("sync", headers=key, quantity=9)
        shop.gateway.plan(Reply.FAIL)
        unanswered = await shop.order("sync")
    assert "Retry-After" in busy.headers
    for status, answer in {200: paid, 409: busy, 502: refused, 503: unanswered}.items():
        assert answer.status == status
        assert_described(answer, path="/orders/sync", method="post")


def test_a_fault_of_ours_is_described_wherever_it_can_happen() -> None:
    operations = [
        (path, responses["responses"])
        for path, methods in document()["paths"].items()
        for responses in methods.values()
    ]
    assert [path for path, responses in operations if "500" not in responses] == ["/health"]


def test_what_may_have_been_taken_is_described_for_placing_alone() -> None:
    paths = document()["paths"]
    for path, method in [("/orders/async", "post"), ("/orders/sync", "post")]:
        content = paths[path][method]["responses"]["503"]["content"]["application/problem+json"]
        assert {"$ref": "#/components/schemas/UnknownOutcome"} in content["schema"]["anyOf"]
    lookup = paths["/orders/{order_id}"]["get"]["responses"]["503"]["content"]["application/problem+json"]
    assert lookup["schema"] == {"$ref": "#/components/schemas/Problem"}


async def test_answers_about_orders_are_as_described(shop: RunningApi) -> None:
    settled, queued = await shop.order("sync"), await shop.order("async")
    paths = [f"/orders/{settled.json['order_id']}", queued.headers["Location"], "/orders/none"]
    answers = [await shop.request("GET", path) for path in paths]
    assert [answer.status for answer in answers] == [200, 200, 404]
    for answer in answers:
        assert_described(answer, path="/orders/{order_id}", method="get")
    assert_described(await shop.request("GET", "/health"), path="/health", method="get")


async def test_refusals_of_limited_orders_are_as_described() -> None:
    stock = FakeStock()
    await stock.counters.set_total("pen", 3)
    await stock.counters.set_customer_limit("pen", 2)
    async with running_shop(stock=stock) as shop:
        await wait_until(lambda: shop.metric("stock_available", product_id="pen"))
        for mode in ("async", "sync"):
            limit = await shop.order(mode, quantity=3)
            assert limit.problem == (409, "limit-reached")
            stock.down = True
            away = await shop.order(mode, customer_id=2)
            assert away.problem == (503, "stock-unavailable")
            stock.down = False
            for answer in (limit, away):
                assert_described(answer, path=f"/orders/{mode}", method="post")
        assert (await shop.order("async", customer_id=3)).status == 202
        for headers in (None, {"Idempotency-Key": "k"}):
            sold_out = await shop.order("async", customer_id=4, headers=headers)
            assert sold_out.problem == (409, "sold-out")
            assert_described(sold_out, path="/orders/async", method="post")
        validate(sold_out, "UnknownOutcome")


async def test_answers_about_products_are_as_described(shop: RunningApi) -> None:
    answers = {
        "/products": await shop.request("GET", "/products"),
        "/products/{product_id}": await shop.request("GET", "/products/pen"),
    }
    for path, answer in answers.items():
        assert answer.status == 200
        assert_described(answer, path=path, method="get")
        known = {"If-None-Match": answer.headers["ETag"]}
        unchanged = await shop.request("GET", path.replace("{product_id}", "pen"), headers=known)
        assert unchanged.status == 304
        assert_headers(unchanged, document()["paths"][path]["get"]["responses"]["304"])
    missing = await shop.request("GET", "/products/none")
    assert_described(missing, path="/products/{product_id}", method="get")


@pytest.mark.parametrize(("method", "suffix"), [("delete", ""), ("post", "/cancel")])
async def test_answers_to_a_cancellation_are_as_described(shop: RunningApi, method: str, suffix: str) -> None:
    async def cancelled(order_id: str) -> Answer:
        answer = await shop.request(method.upper(), f"/orders/{order_id}{suffix}")
        assert_described(answer, path=f"/orders/{{order_id}}{suffix}", method=method)
        return answer

    unclaimed = (await shop.order("async")).json["order_id"]
    paid = (await shop.order("sync")).json["order_id"]
    shop.gateway.plan(Reply.DECLINE)
    declined = (await shop.order("sync")).json["order_id"]
    shop.refunds.default = Reply.FAIL
    answers = [await cancelled(order_id) for order_id in (unclaimed, paid, declined, "ord_" + "a" * 40)]
    shop.ledger.unavailable = True
    answers.append(await cancelled(unclaimed))
    assert [answer.status for answer in answers] == [200, 202, 409, 404, 503]
