"""DynamoDB's errors in our words."""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from flashmsg import OrderStatus
from flashpay import (
    Approved,
    Claimed,
    DynamoLedger,
    FlashpayError,
    LedgerEntry,
    LedgerRefusedError,
    LedgerUnavailableError,
    Tombstone,
)
from flashpay.items import to_item, to_tombstone_item
from flashpay.paging import order_ids
from flashpay.testing import START, sample_order

ORDER = sample_order()
LEASE = timedelta(seconds=30)
CLAIMED = Claimed(order=ORDER, attempt=1, owner="first", lease_until=START + LEASE)


class FailingClient:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def get_item(self, **_arguments: object) -> Mapping[str, Any]:
        raise self._error

    async def put_item(self, **_arguments: object) -> Mapping[str, Any]:
        raise self._error

    async def update_item(self, **_arguments: object) -> Mapping[str, Any]:
        raise self._error


def client_error(code: str, status: int, **members: object) -> ClientError:
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}, **members}
    return ClientError(response, "PutItem")


async def every_call(ledger: DynamoLedger) -> list[FlashpayError]:
    errors = []
    for call in (
        ledger.claim(ORDER, owner="first", lease=LEASE),
        ledger.record(CLAIMED, Approved(charge_id="ch_1")),
        ledger.release(CLAIMED),
        ledger.fail(ORDER, reason="too_many_receives"),
        ledger.get(ORDER.order_id),
    ):
        with pytest.raises(FlashpayError) as caught:
            await call
        errors.append(caught.value)
    return errors


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (client_error("ProvisionedThroughputExceededException", 400), "throttled"),
        (client_error("ThrottlingException", 400), "throttled"),
        (client_error("RequestLimitExceeded", 400), "throttled"),
        (client_error("Throttling", 400), "throttled"),
        (client_error("TransactionConflictException", 400), "contention"),
        (client_error("TransactionInProgressException", 400), "contention"),
        (client_error("InternalServerError", 500), "server_error"),
        (client_error("ServiceUnavailable", 503), "server_error"),
        (ClientError({"Error": {"Code": "Unheard"}}, "PutItem"), "server_error"),
        (client_error("ResourceNotFoundException", 400), "access"),
        (client_error("ExpiredTokenException", 400), "access"),
        (client_error("AccessDeniedException", 400), "access"),
        (ReadTimeoutError(endpoint_url="http://dynamodb"), "timeout"),
        (ConnectTimeoutError(endpoint_url="http://dynamodb"), "timeout"),
        (TimeoutError(), "timeout"),
        (EndpointConnectionError(endpoint_url="http://dynamodb"), "connection"),
        (NoCredentialsError(), "connection"),
        (aiohttp.ServerDisconnectedError(), "connection"),
        (ConnectionResetError(), "connection"),
        (ResponseParserError("no JSON"), "garbled"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "garbled"),
        (AttributeError("'list' object has no attribute 'get'"), "garbled"),
    ],
    ids=repr,
)
async def test_surroundings_that_fail_make_the_ledger_unavailable(error: Exception, reason: str) -> None:
    for raised in await every_call(DynamoLedger(client=FailingClient(error), table="orders")):
        assert isinstance(raised, LedgerUnavailableError)
        assert (raised.retryable, raised.reason, raised.__cause__) == (True, reason, error)
        assert (repr(error) if reason == "garbled" else str(error)) in str(raised)


@pytest.mark.parametrize(
    "code", ["ValidationException", "SerializationException", "ItemCollectionSizeLimitExceededException"]
)
async def test_a_request_that_dynamodb_calls_wrong_is_not_retried(code: str) -> None:
    error = client_error(code, 400)
    for raised in await every_call(DynamoLedger(client=FailingClient(error), table="orders")):
        assert isinstance(raised, LedgerRefusedError)
        assert (raised.retryable, raised.reason) == (False, "bad_request")
        assert code in str(raised)


async def test_an_entry_is_read_as_the_last_acknowledged_write_left_it() -> None:
    asked: list[Mapping[str, object]] = []

    class EmptyTable(FailingClient):
        async def get_item(self, **arguments: object) -> Mapping[str, Any]:
            asked.append(arguments)
            return {}

    assert await DynamoLedger(client=EmptyTable(TimeoutError()), table="orders").get(ORDER.order_id) is None
    assert asked == [{"TableName": "orders", "Key": {"order_id": {"S": ORDER.order_id}}, "ConsistentRead": True}]


async def test_an_update_whose_answer_has_no_item_may_not_have_happened() -> None:
    class PageClient(FailingClient):
        async def update_item(self, **_arguments: object) -> Mapping[str, Any]:
            return {"message": "<html>welcome</html>"}

    with pytest.raises(LedgerUnavailableError) as caught:
        await DynamoLedger(client=PageClient(TimeoutError()), table="orders").record(CLAIMED, Approved(charge_id="ch"))
    assert caught.value.reason == "garbled"


@pytest.mark.parametrize(
    "page",
    [{}, {"message": "<html>welcome</html>"}, {"Items": 5}, {"Items": [{}]}, {"Items": [{"order_id": {"N": "1"}}]}],
    ids=repr,
)
async def test_a_page_that_holds_no_order_ids_makes_the_ledger_unavailable(page: Mapping[str, Any]) -> None:
    async def call(**_arguments: object) -> Mapping[str, Any]:
        return page

    with pytest.raises(LedgerUnavailableError) as caught:
        [order_id async for order_id in order_ids(call, TableName="orders")]
    assert caught.value.reason == "garbled"


async def test_an_item_that_is_not_ours_is_refused() -> None:
    class OddClient(FailingClient):
        async def get_item(self, **_arguments: object) -> Mapping[str, Any]:
            return {"Item": {"order_id": {"S": ORDER.order_id}, "status": {"S": "shipped"}}}

    with pytest.raises(LedgerRefusedError) as caught:
        await DynamoLedger(client=OddClient(TimeoutError()), table="orders").get(ORDER.order_id)
    assert caught.value.reason == "corrupt_entry"


class RacingClient(FailingClient):
    """Finds the same entry in its way again and again, as if another had just put it there."""

    def __init__(self, standing: LedgerEntry) -> None:
        super().__init__(client_error("ConditionalCheckFailedException", 400, Item=to_item(standing)))
        self.updates = 0

    async def update_item(self, **arguments: object) -> Mapping[str, Any]:
        self.updates += 1
        return await super().update_item(**arguments)


FIRST = LedgerEntry.accepted_first(ORDER, owner="first", now=START)
RACES: list[tuple[LedgerEntry, Callable[[DynamoLedger], Awaitable[object]]]] = [
    (
        replace(FIRST, status=OrderStatus.FAILED),
        lambda ledger: ledger.claim(ORDER, owner="second", lease=LEASE, reopen=True),
    ),
    (FIRST, lambda ledger: ledger.fail(ORDER, reason="too_many_receives")),
    (FIRST, lambda ledger: ledger.cancel(ORDER.order_id)),
]


@pytest.mark.parametrize(("standing", "call"), RACES, ids=["claim", "fail", "cancel"])
async def test_an_endless_race_ends_as_contention_after_five_rounds(
    standing: LedgerEntry, call: Callable[[DynamoLedger], Awaitable[object]]
) -> None:
    client = RacingClient(standing)
    with pytest.raises(LedgerUnavailableError, match=ORDER.order_id) as caught:
        await call(DynamoLedger(client=client, table="orders"))
    assert (caught.value.reason, client.updates) == ("contention", 5)


async def test_a_charge_is_not_recorded_over_a_tombstone() -> None:
    tombstone = to_tombstone_item(Tombstone(order_id=ORDER.order_id, cancelled_at=START))
    stands = client_error("ConditionalCheckFailedException", 400, Item=tombstone)
    with pytest.raises(LedgerUnavailableError, match=f"{ORDER.order_id} has lost its entry") as caught:
        await DynamoLedger(client=FailingClient(stands), table="orders").record(CLAIMED, Approved(charge_id="ch_1"))
    assert caught.value.reason == "entry_missing"


async def test_a_real_client_without_an_endpoint_makes_the_ledger_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: every connection is refused
        async with AioSession().create_client(
            "dynamodb",
            endpoint_url=f"http://127.0.0.1:{unused.getsockname()[1]}",
            region_name="eu-central-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=AioConfig(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=1),
        ) as client:
            for raised in await every_call(DynamoLedger(client=client, table="orders")):
                assert isinstance(raised, LedgerUnavailableError)
                assert raised.reason == "connection"


@pytest.mark.embedded_aws
async def test_a_missing_table_makes_the_ledger_unavailable(orders_table: tuple[Any, str]) -> None:
    client, name = orders_table
    for raised in await every_call(DynamoLedger(client=client, table=f"{name}-missing")):
        assert isinstance(raised, LedgerUnavailableError)
        assert raised.reason == "access"
