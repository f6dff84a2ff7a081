import asyncio
import re
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from flashmsg import OrderPlaced
from order_api.testing import PEN, PHONE, FakeProducts, RunningApi, running_shop, wait_until

# The settings hold the promise of less than a second (`test_settings`); the rest is the noise of a busy machine.
NOISY_SECOND = 3


async def test_an_order_is_accepted_once_it_is_published(shop: RunningApi) -> None:
    answer = await shop.order("async", product_id="pen", quantity=3, customer_id=7)
    assert answer.status == 202
    order_id = answer.json["order_id"]
    assert answer.json == {"order_id": order_id, "status": "pending", "status_url": f"/orders/{order_id}"}
    assert answer.headers["Location"] == f"/orders/{order_id}"
    assert shop.ids.owns(order_id)
    (event,) = shop.events
    assert event.id == order_id
    assert event.data.customer_id == 7
    assert [(line.product_id, line.quantity, line.unit_price_minor) for line in event.data.items] == [("pen", 3, 250)]
    assert (event.data.total_minor, event.data.currency) == (750, "EUR")
    assert abs((datetime.now(UTC) - event.data.created_at).total_seconds()) < 60


async def test_the_message_names_its_type_and_trace_in_attributes(shop: RunningApi) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = await shop.order("async", headers={"traceparent": trace})
    (entry,) = shop.topic.published
    (event,) = shop.events
    assert entry.attributes["type"] == event.type == "com.flashsale.order.placed.v1"
    assert entry.attributes["traceparent"] == event.traceparent == answer.headers["traceresponse"]
    assert event.traceparent is not None
    assert event.traceparent.split("-")[1] == "0af7651916cd43dd8448eb211c80319c"
    assert event.traceparent != trace


async def test_an_invalid_traceparent_starts_a_new_trace(shop: RunningApi) -> None:
    answer = await shop.order("async", headers={"traceparent": "00-" + "0" * 32 + "-nonsense"})
    assert answer.status == 202
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", shop.events[0].traceparent or "")


async def test_the_same_key_of_one_customer_is_the_same_order(shop: RunningApi) -> None:
    headers = {"Idempotency-Key": "basket-42"}
    first = await shop.order("async", headers=headers)
    again = await shop.order("async", headers=headers)
    other_customer = await shop.order("async", headers=headers, customer_id=2)
    other_key = await shop.order("async", headers={"Idempotency-Key": "basket-43"})
    assert first.json == again.json
    ids = [answer.json["order_id"] for answer in (first, other_customer, other_key)]
    assert len(set(ids)) == 3
    assert all(shop.ids.owns(order_id) for order_id in ids)


async def test_without_a_key_every_request_is_a_new_order(shop: RunningApi) -> None:
    answers = [await shop.order("async") for _ in range(3)]
    assert len({answer.json["order_id"] for answer in answers}) == 3


async def test_concurrent_orders_share_batches() -> None:
    async with running_shop(PUBLISH_LINGER_SECONDS="0.5", PUBLISH_TIMEOUT_SECONDS="30") as shop:
        answers = await asyncio.gather(*(shop.order("async", customer_id=number) for number in range(1, 31)))
    assert [answer.status for answer in answers] == [202] * 30
    assert {event.data.customer_id for event in shop.events} == set(range(1, 31))
    assert len(shop.topic.calls) <= 6


async def test_why_an_order_was_not_published_is_logged_with_its_request(shop: RunningApi) -> None:
    shop.topic.down = True
    with capture_logs() as lines:
        answer = await shop.order("async")
    assert answer.status == 503
    (request,) = (line for line in lines if line["event"] == "http_request")
    assert request["error"] == "unavailable: the fake topic is down"


async def test_only_what_the_topic_took_is_accepted() -> None:
    async with running_shop(PUBLISH_LINGER_SECONDS="0.5", PUBLISH_TIMEOUT_SECONDS="30") as shop:
        shop.topic.refuse['"customer_id":2,'] = "InternalError"
        answers = await asyncio.gather(*(shop.order("async", customer_id=number) for number in (1, 2, 3)))
        assert shop.metric("orders_rejected_total", reason="publish_refused") == 1
    assert [answer.status for answer in answers] == [202, 503, 202]
    assert {event.data.customer_id for event in shop.events} == {1, 3}


async def test_a_topic_that_is_down_costs_less_than_a_second_and_accepts_nothing(shop: RunningApi) -> None:
    shop.topic.down = True
    started = asyncio.get_running_loop().time()
    answer = await shop.order("async")
    assert asyncio.get_running_loop().time() - started < NOISY_SECOND
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"] == "urn:flash-sale:problem:publish-unavailable"
    assert shop.topic.published == []
    assert shop.metric("orders_accepted_total", mode="async") == 0


async def test_a_topic_that_hangs_costs_less_than_a_second_too(shop: RunningApi) -> None:
    shop.topic.gate.clear()
    started = asyncio.get_running_loop().time()
    answer = await shop.order("async")
    assert asyncio.get_running_loop().time() - started < NOISY_SECOND
    assert answer.status == 503
    assert shop.topic.published == []


async def test_before_the_first_catalogue_nothing_is_sold_and_the_api_is_not_ready() -> None:
    source = FakeProducts(PEN, PHONE)
    source.down = True
    async with running_shop(products=source, wait_ready=False, CATALOGUE_REFRESH_SECONDS="0.01") as shop:
        answer = await shop.order("async")
        assert (answer.status, answer.json["type"]) == (503, "urn:flash-sale:problem:catalogue-unavailable")
        assert "Retry-After" in answer.headers
        assert (await shop.ask("/readyz")).status == 503
        assert (await shop.ask("/livez")).status == 200
        await wait_until(lambda: shop.metric("catalogue_refresh_failures_total"))
        source.down = False
        await wait_until(lambda: shop.metric("catalogue_products") == 2)
        assert (await shop.ask("/readyz")).status == 200
        assert (await shop.order("async")).status == 202


async def test_an_empty_shop_is_ready_and_knows_no_product() -> None:
    async with running_shop(products=FakeProducts()) as shop:
        await wait_until(lambda: shop.metric("catalogue_refreshed_timestamp_seconds"))
        assert (await shop.ask("/readyz")).status == 200
        for mode in ("async", "sync"):
            answer = await shop.order(mode)
            assert (answer.status, answer.fields) == (422, ["items.0.product_id"])
    assert shop.topic.published == []


async def test_products_of_two_currencies_are_two_orders() -> None:
    dollars = type(PHONE)(product_id="phone-us", name="Phone", unit_price_minor=1, currency="USD")
    async with running_shop(products=FakeProducts(PEN, dollars)) as shop:
        lines = [{"product_id": "pen", "quantity": 1}, {"product_id": "phone-us", "quantity": 1}]
        answer = await shop.request("POST", "/orders/async", json={"customer_id": 1, "items": lines})
    assert (answer.status, answer.fields) == (422, ["items.1.product_id"])
    assert shop.topic.published == []


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", 'Application/JSON ;charset="UTF-8"'],
)
async def test_json_in_utf_8_is_welcome_however_it_is_written(shop: RunningApi, content_type: str) -> None:
    body = b' {"items": [{"quantity": 1, "product_id": "pen"}],\n"customer_id": 9007199254740991} '
    answer = await shop.request("POST", "/orders/async", data=body, headers={"Content-Type": content_type})
    assert answer.status == 202
    assert isinstance(shop.events[0], OrderPlaced)


async def test_a_chunked_body_is_welcome(shop: RunningApi) -> None:
    async def chunks() -> object:
        yield b'{"customer_id": 1, "items": '
        yield b'[{"product_id": "pen", "quantity": 1}]}'

    headers = {"Content-Type": "application/json"}
    answer = await shop.request("POST", "/orders/async", data=chunks(), headers=headers)
    assert answer.status == 202


async def test_the_longest_key_is_welcome(shop: RunningApi) -> None:
    answer = await shop.order("async", headers={"Idempotency-Key": "~" * 255})
    assert answer.status == 202


async def test_accepted_orders_and_batches_are_counted(shop: RunningApi) -> None:
    await shop.order("async")
    assert shop.metric("orders_accepted_total", mode="async") == 1
    assert shop.metric("publish_batch_entries_count") == 1
    assert shop.metric("publish_duration_seconds_count") == 1
