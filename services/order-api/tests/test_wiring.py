"""What the settings say reaches who keeps it: the real connections, of which nothing is asked, and the parts."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from flashpay import HttpGateway, Retention, SessionExchange
from order_api.app_keys import BOOK, CANCELLER, PUBLISHER, SALE, SETTLEMENT_LIMITER
from order_api.connections import Connections, open_connections
from order_api.order_ids import mentioned
from order_api.settings import Settings
from order_api.testing import FakeStock, environment, running_shop

OUTCOMES = "arn:aws:sns:us-east-1:000000000000:order-outcomes"
TIMES: dict[str, Any] = {
    "PAYMENT_TIMEOUT_SECONDS": "4",
    "LEASE_SECONDS": "9",
    "GATEWAY_KEY_WINDOW_SECONDS": "100",
    "PUBLISH_TIMEOUT_SECONDS": "0.6",
    "PUBLISH_LINGER_SECONDS": "0.002",
    "SYNC_WAIT_SECONDS": "2",
    "SYNC_DEADLINE_SECONDS": "7",
    "STOCK_LEASE_SECONDS": "3600",
}


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AWS account that nothing is asked of."""
    for name in ("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")


def settings_of(variables: Mapping[str, str]) -> Settings:
    return Settings.from_environment(environment(**variables))


def session_of(gateway: object) -> Any:  # noqa: ANN401 - aiohttp's
    assert isinstance(gateway, HttpGateway)
    assert isinstance(gateway._exchange, SessionExchange)
    return gateway._exchange._session


@pytest.mark.parametrize(("limit", "connections"), [("7", 7), ("1", 1), ("0", 1)])
async def test_charges_and_refunds_have_as_many_connections_as_orders_are_settled_each_its_own(
    limit: str, connections: int
) -> None:
    async with open_connections(settings_of({"SYNC_LIMIT": limit})) as opened:
        charging, refunding = session_of(opened.gateway), session_of(opened.refunds)
        assert charging is not refunding
        assert (charging.connector.limit, refunding.connector.limit) == (connections, connections)
    assert charging.closed
    assert refunding.closed


def caller_of(connections: Connections, part: str) -> Any:  # noqa: ANN401 - of flashbus, private there
    opened: Any = {"sns": connections.topic, "products": connections.products, "ledger": connections.ledger}[part]
    return (opened._table if part == "ledger" else opened)._client._caller


async def test_a_publish_is_tried_once_and_given_up_sooner_without_a_connection() -> None:
    async with open_connections(settings_of(TIMES)) as connections:
        caller = caller_of(connections, "sns")
        limits = caller._transport._limits
        assert caller._attempts == 1
        assert (limits.connect_timeout, limits.read_timeout) == (timedelta(seconds=0.3), timedelta(seconds=0.6))


@pytest.mark.parametrize("part", ["products", "ledger"])
async def test_a_table_is_waited_for_two_seconds(part: str) -> None:
    async with open_connections(settings_of({})) as connections:
        limits = caller_of(connections, part)._transport._limits
        assert (limits.connect_timeout, limits.read_timeout) == (timedelta(seconds=2), timedelta(seconds=2))


async def test_every_name_of_the_settings_is_used_for_its_own() -> None:
    settings = settings_of({"ORDERS_TABLE": "the-orders", "PRODUCTS_TABLE": "the-products"})
    async with open_connections(settings) as connections:
        opened: Any = connections
        assert opened.ledger._table._name == "the-orders"
        assert opened.products._table == "the-products"
        assert opened.topic._topic_arn == settings.orders_topic_arn
        assert opened.gateway._exchange._base_url == opened.refunds._exchange._base_url == settings.gateway_url


async def test_ends_are_told_only_where_there_is_a_topic_for_them() -> None:
    async with open_connections(settings_of({})) as connections:
        ledger: Any = connections.ledger
        assert (connections.announcer, ledger._retention) == (None, Retention())
    settings = settings_of({"OUTCOMES_TOPIC_ARN": OUTCOMES, "ORDER_RETENTION_DAYS": "40"})
    async with open_connections(settings) as connections:
        announcer: Any = connections.announcer
        ledger = announcer._ledger
        assert ledger._retention == Retention(announced=True, keep=timedelta(days=40))
        assert ledger is connections.ledger


async def test_the_times_of_the_settings_reach_who_keeps_them() -> None:
    async with running_shop(SYNC_LIMIT="3", **TIMES) as shop:
        app = shop.runner.app
        canceller, limiter = app[CANCELLER], app[SETTLEMENT_LIMITER]
        settler, refunder = limiter._settler, canceller._refunder
        assert (limiter._limit, limiter._wait_seconds, limiter._deadline_seconds) == (3, 2, 7)
        assert (settler._payment_timeout, settler._lease) == (timedelta(seconds=4), timedelta(seconds=9))
        assert settler._key_window == refunder._key_window == timedelta(seconds=100)
        assert re.fullmatch(r"order-api/\S+:\d+", settler._owner)
        # A refund that is answered in time is noted as well.
        assert (refunder._timeout, canceller._timeout_seconds) == (timedelta(seconds=4), 4.6)
        assert (app[BOOK]._timeout_seconds, app[PUBLISHER]._timeout_seconds) == (0.6, 0.6)
        assert app[PUBLISHER]._linger_seconds == 0.002
        assert not canceller._forgetful


@pytest.mark.parametrize(("limit", "pages"), [("0", 16), ("10", 26), ("74", 90), ("75", 90)])
async def test_a_seller_has_pages_for_its_batches_and_for_every_order_that_is_settled(
    stock: FakeStock, limit: str, pages: int
) -> None:
    owners = set()
    for _ in range(2):
        async with running_shop(stock=stock, SYNC_LIMIT=limit, **TIMES) as shop:
            sale = shop.runner.app[SALE]
            assert sale._seller is not None
            assert (sale._seller._slots, sale._seller._lease) == (pages, timedelta(hours=1))
            assert sale.journals._timeout_seconds == 0.6
            owners.add(sale._seller._owner)
    assert len(owners) == 2, "a process that died and its successor are not one"
    assert all(re.fullmatch(r"order-api/\S+:\d+:[0-9a-f]{8}", owner) for owner in owners)


def test_what_looks_like_an_order_id_is_found_in_a_text() -> None:
    one, other = "ord_" + "a2b7" * 10, "ord_" + "z" * 40
    text = f'{{"id":"{one}","again":"{one}"}} {other}. ord_{"a" * 39}! ord_{"A" * 40} ord_{"1" * 40} xrd_{"a" * 40}'
    assert mentioned(text) == {one, other}
