"""`GET /products`: prices and what is left, as fresh as a second and cheap to ask for again."""

from collections.abc import AsyncIterator

import pytest

from order_api.testing import PEN, PHONE, Answer, FakeProducts, FakeStock, RunningApi, running_shop, wait_until

OFTEN = "0.005"


@pytest.fixture
async def limited_shop(stock: FakeStock) -> AsyncIterator[RunningApi]:
    async with running_shop(stock=stock, STOCK_REFRESH_SECONDS=OFTEN) as shop:
        yield shop


async def until_ready(shop: RunningApi) -> None:
    await wait_until(lambda: shop.metric("stock_available", product_id="pen"))


async def left(shop: RunningApi) -> int:
    return int((await shop.request("GET", "/products/pen")).json["available"])


def assert_cacheable(answer: Answer) -> None:
    assert answer.headers["Cache-Control"] == "public, max-age=1"
    assert answer.headers["ETag"].startswith('"')


async def test_every_product_has_its_price_and_a_limited_one_what_is_left(limited_shop: RunningApi) -> None:
    answer = await limited_shop.request("GET", "/products")
    assert answer.status == 200
    assert_cacheable(answer)
    pen = {"product_id": "pen", "name": PEN.name, "unit_price_minor": 250, "currency": "EUR", "available": 10}
    phone = {"product_id": "phone-x", "name": PHONE.name, "unit_price_minor": 89_900, "currency": "EUR"}
    assert answer.json == {"products": [pen, phone]}
    one = await limited_shop.request("GET", "/products/pen")
    assert (one.status, one.json) == (200, pen)
    assert_cacheable(one)


async def test_where_nothing_is_limited_only_prices_are_told(shop: RunningApi) -> None:
    answer = await shop.request("GET", "/products")
    assert [set(product) for product in answer.json["products"]] == [
        {"product_id", "name", "unit_price_minor", "currency"}
    ] * 2


async def test_an_empty_shop_has_an_empty_list() -> None:
    async with running_shop(products=FakeProducts()) as shop:
        assert (await shop.request("GET", "/products")).json == {"products": []}


async def test_what_is_not_for_sale_is_not_found(limited_shop: RunningApi, stock: FakeStock) -> None:
    await stock.counters.set_total("withdrawn", 3)
    for path in ("/products/withdrawn", "/products/Pen", "/products/%00", "/products/" + "x" * 5_000):
        answer = await limited_shop.request("GET", path)
        assert answer.problem == (404, "unknown-product")
        assert answer.fields == ["product_id"]


@pytest.mark.parametrize("path", ["/products", "/products/pen"])
async def test_a_client_that_has_it_gets_it_again_when_it_has_changed(
    limited_shop: RunningApi, stock: FakeStock, path: str
) -> None:
    etag = (await limited_shop.request("GET", path)).headers["ETag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        unchanged = await limited_shop.request("GET", path, headers={"If-None-Match": known})
        assert (unchanged.status, unchanged.body, unchanged.headers["ETag"]) == (304, b"", etag)
        assert_cacheable(unchanged)
    await stock.counters.add("pen", 1)
    await wait_until(lambda: limited_shop.metric("stock_available", product_id="pen") == 11)
    changed = await limited_shop.request("GET", path, headers={"If-None-Match": etag})
    assert changed.status == 200
    assert changed.headers["ETag"] != etag


@pytest.mark.parametrize("known", ['"other"', '"*"', "no quotes", '"', ",,,", '"' + "x" * 4_000 + '"'])
async def test_a_client_that_has_something_else_gets_it_whole(limited_shop: RunningApi, known: str) -> None:
    answer = await limited_shop.request("GET", "/products", headers={"If-None-Match": known})
    assert (answer.status, len(answer.json["products"])) == (200, 2)


async def test_head_is_get_without_the_body(limited_shop: RunningApi) -> None:
    full = await limited_shop.request("GET", "/products")
    head = await limited_shop.request("HEAD", "/products")
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", full.headers["ETag"])


async def test_reading_products_reads_no_table(stock: FakeStock) -> None:
    async with running_shop(stock=stock, STOCK_REFRESH_SECONDS="3600", STOCK_LEASE_SECONDS="3600") as shop:
        calls, loads = stock.calls, shop.products.loads
        for _ in range(20):
            assert await left(shop) == 10
        assert (stock.calls, shop.products.loads) == (calls, loads)


async def test_units_on_loan_are_not_left_and_are_measured(limited_shop: RunningApi, stock: FakeStock) -> None:
    stock.table.items["product#pen"] |= {"available": 6, "reserved": 4}
    await wait_until(lambda: limited_shop.metric("stock_reserved", product_id="pen") == 4)
    assert limited_shop.metric("stock_available", product_id="pen") == 6
    assert await left(limited_shop) == 6
    assert limited_shop.registry.get_sample_value("stock_available", {"product_id": "phone-x"}) is None
    level = await stock.counters.get("pen")
    assert level is not None
    assert level.total == level.available + level.reserved + level.sold


async def test_a_limit_per_customer_is_told(limited_shop: RunningApi, stock: FakeStock) -> None:
    await stock.counters.set_customer_limit("pen", 2)
    await stock.counters.add("pen", 1)
    await wait_until(lambda: limited_shop.metric("stock_available", product_id="pen") == 11)
    assert (await limited_shop.request("GET", "/products/pen")).json["customer_limit"] == 2


async def test_nothing_is_told_or_ready_before_it_is_known_what_is_limited(stock: FakeStock) -> None:
    stock.down = True
    async with running_shop(stock=stock, wait_ready=False, STOCK_REFRESH_SECONDS=OFTEN) as shop:
        await wait_until(lambda: shop.products.loads)
        await wait_until(lambda: shop.metric("stock_refresh_failures_total"))
        for path in ("/products", "/products/pen"):
            answer = await shop.request("GET", path)
            assert answer.problem == (503, "catalogue-unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
        assert (await shop.health.ready()).checks["stock"] == "failed"
        stock.down = False
        await until_ready(shop)
        assert (await shop.health.ready()).ready
        assert await left(shop) == 10


async def test_what_was_left_is_told_on_while_the_table_is_away(limited_shop: RunningApi, stock: FakeStock) -> None:
    stock.down = True
    await wait_until(lambda: limited_shop.metric("stock_refresh_failures_total"))
    assert await left(limited_shop) == 10
    assert (await limited_shop.health.ready()).ready


async def test_a_row_that_nobody_thought_of_does_not_end_the_refresh(
    limited_shop: RunningApi, stock: FakeStock
) -> None:
    pen = stock.table.items["product#pen"]
    stock.table.items["product#pen"] = {"id": "product#pen"}
    await wait_until(lambda: limited_shop.metric("stock_refresh_failures_total"))
    stock.table.items["product#pen"] = pen | {"available": 9}
    await wait_until(lambda: limited_shop.metric("stock_available", product_id="pen") == 9)


async def test_without_a_stock_table_nothing_of_stock_is_measured_or_waited_for(shop: RunningApi) -> None:
    assert "stock" not in (await shop.health.ready()).checks
    assert "stock_" not in (await shop.ask("/metrics")).body.decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/products/nothing", 404),
        ("GET", "/orders/ord_of-nobody", 404),
        ("GET", "/nowhere", 404),
        ("POST", "/products", 405),
        ("POST", "/orders/async", 415),
    ],
)
async def test_no_cache_keeps_a_refusal(shop: RunningApi, method: str, path: str, status: int) -> None:
    answer = await shop.request(method, path)
    assert (answer.status, answer.headers["Cache-Control"]) == (status, "no-store")


async def test_no_cache_keeps_an_answer_of_before_the_prices_are_there() -> None:
    source = FakeProducts()
    source.down = True
    async with running_shop(products=source, wait_ready=False) as shop:
        for path in ("/products", "/products/pen"):
            answer = await shop.request("GET", path)
            assert (answer.status, answer.headers["Cache-Control"]) == (503, "no-store")
