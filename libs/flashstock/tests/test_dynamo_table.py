"""DynamoDB's errors in our words, and what is tried again."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from flashmsg import Reservation
from flashstock.dynamo import DynamoTable, dynamo_stock
from flashstock.endings import Ending, Outcome
from flashstock.errors import StockUnavailableError
from flashstock.leases import NOTHING, LeaseChanged
from flashstock.observer import StockObserver
from flashstock.table import Check, ConditionFailedError, Delete, Put, Update, Where
from flashstock.testing import MemoryDynamo, MemoryTable

PUT = Put(item={"id": "a", "n": 1})
WORDS = {
    "access": "DynamoDB is closed to us: ",
    "bad_request": "DynamoDB refuses the request: ",
    "connection": "DynamoDB is out of reach: ",
    "contention": "DynamoDB has others at this item: ",
    "garbled": "DynamoDB's answer is garbled: ",
    "server_error": "DynamoDB failed: ",
    "throttled": "DynamoDB throttles: ",
    "timeout": "DynamoDB did not answer in time: ",
}
ITEM = {"id": {"S": "a"}, "n": {"N": "1"}}


def client_error(code: str, *, status: int = 400, **response: object) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "?"}, "ResponseMetadata": {"HTTPStatusCode": status}, **response},
        "Operation",
    )


def cancelled(*codes: str, **more: object) -> ClientError:
    reasons = [{"Code": code, **(more if code == "ConditionalCheckFailed" else {})} for code in codes]
    return client_error("TransactionCanceledException", CancellationReasons=reasons)


class ScriptedClient:
    """Answers every call with the next of its answers, raising those that are exceptions."""

    def __init__(self, *answers: Mapping[str, Any] | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[Mapping[str, Any]] = []

    async def _answer(self, **request: object) -> Mapping[str, Any]:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    batch_get_item = put_item = update_item = delete_item = transact_write_items = _answer


def table(*answers: Mapping[str, Any] | Exception) -> tuple[DynamoTable, ScriptedClient]:
    client = ScriptedClient(*answers)
    return DynamoTable(client=client, name="stock", jitter=lambda: 0.0), client


def asked(error: ClientError, *, again: int) -> ClientError:
    """The error of a client that says how often it asked again."""
    error.response["ResponseMetadata"]["RetryAttempts"] = again
    return error


@pytest.mark.parametrize(
    ("error", "reason", "certain"),
    [
        (client_error("InternalServerError", status=500), "server_error", False),
        (client_error("ResourceNotFoundException"), "access", False),
        (asked(client_error("ResourceNotFoundException"), again=0), "access", True),
        (asked(client_error("AccessDeniedException"), again=0), "access", True),
        (asked(client_error("AccessDeniedException"), again=1), "access", False),
        (client_error("ValidationException"), "bad_request", True),
        (client_error("SerializationException"), "bad_request", True),
        (client_error("IdempotentParameterMismatchException"), "bad_request", True),
        (cancelled("None", "ValidationError"), "bad_request", True),
        (ClientError({"Error": {"Code": "?", "Message": "?"}}, "Operation"), "server_error", False),
        (ReadTimeoutError(endpoint_url="http://x"), "timeout", False),
        (TimeoutError(), "timeout", False),
        (EndpointConnectionError(endpoint_url="http://x"), "connection", False),
        (aiohttp.ClientPayloadError(), "connection", False),
        (ConnectionResetError(), "connection", False),
        (ResponseParserError("no JSON"), "garbled", False),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), "garbled", False),
        (AttributeError("'list' object has no attribute 'get'"), "garbled", False),
    ],
)
async def test_an_error_is_told_in_our_words_at_once(error: Exception, reason: str, *, certain: bool) -> None:
    dynamo, client = table(error)
    with pytest.raises(StockUnavailableError) as caught:
        await dynamo.write(PUT)
    assert (caught.value.reason, caught.value.certain) == (reason, certain)
    assert str(caught.value).startswith(WORDS[reason])
    assert len(client.requests) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (client_error("TransactionConflictException"), "contention"),
        (client_error("TransactionInProgressException"), "contention"),
        (cancelled("None", "TransactionConflict"), "contention"),
        (client_error("ThrottlingException"), "throttled"),
        (client_error("Throttling"), "throttled"),
        (client_error("RequestLimitExceeded"), "throttled"),
        (client_error("ProvisionedThroughputExceededException"), "throttled"),
        (cancelled("ProvisionedThroughputExceeded"), "throttled"),
        (cancelled("ThrottlingError", "None"), "throttled"),
    ],
)
async def test_where_others_are_it_is_tried_again_for_a_while(error: ClientError, reason: str) -> None:
    dynamo, client = table(error, error, {})
    await dynamo.transact([PUT, Delete(id="b")])
    assert len(client.requests) == 3
    assert len({request["ClientRequestToken"] for request in client.requests}) == 1
    dynamo, client = table(*[error] * 100)
    with pytest.raises(StockUnavailableError) as caught:
        await dynamo.transact([PUT, Delete(id="b")])
    assert (caught.value.reason, caught.value.certain) == (reason, False)
    assert str(caught.value).startswith(WORDS[reason])
    assert 5 < len(client.requests) < 20


async def test_a_contended_write_is_tried_eight_times_after_pauses_that_double_up_to_half_a_second() -> None:
    loop = asyncio.get_running_loop()
    client = ScriptedClient(*[client_error("TransactionConflictException")] * 100)
    began = loop.time()
    with pytest.raises(StockUnavailableError):
        await DynamoTable(client=client, name="stock", jitter=lambda: 1.0).write(PUT)
    assert len(client.requests) == 8
    assert loop.time() - began == pytest.approx(0.02 + 0.04 + 0.08 + 0.16 + 0.32 + 0.5 + 0.5, abs=1e-3)


async def test_two_transactions_have_two_tokens() -> None:
    dynamo, client = table({}, {})
    for _ in range(2):
        await dynamo.transact([PUT])
    assert len({request["ClientRequestToken"] for request in client.requests}) == 2


async def test_a_failed_condition_shows_what_is_there() -> None:
    dynamo, _ = table(client_error("ConditionalCheckFailedException", Item=ITEM))
    with pytest.raises(ConditionFailedError) as caught:
        await dynamo.write(PUT)
    assert caught.value.item == {"id": "a", "n": 1}


async def test_a_failed_condition_wins_over_a_conflict_in_the_same_transaction() -> None:
    dynamo, _ = table(cancelled("TransactionConflict", "ConditionalCheckFailed", "None", Item=ITEM))
    with pytest.raises(ConditionFailedError) as caught:
        await dynamo.transact([PUT, Check(id="b", where=[]), Update(id="c")])
    assert caught.value.items == {1: {"id": "a", "n": 1}}


async def test_keys_that_were_not_processed_are_read_again() -> None:
    left = {"stock": {"Keys": [{"id": {"S": "b"}}]}}
    dynamo, client = table(
        {"Responses": {"stock": [ITEM]}, "UnprocessedKeys": left},
        {"Responses": {"stock": [{"id": {"S": "b"}}]}, "UnprocessedKeys": {}},
    )
    began = asyncio.get_running_loop().time()
    assert await dynamo.read(["a", "b", "a"]) == {"a": {"id": "a", "n": 1}, "b": {"id": "b"}}
    asked: Sequence[Any] = [request["RequestItems"]["stock"] for request in client.requests]
    assert [len(one["Keys"]) for one in asked] == [2, 1]
    assert asyncio.get_running_loop().time() - began == pytest.approx(0.01, abs=1e-3), "a moment later"
    assert all(one["ConsistentRead"] for one in asked)


async def test_a_hundred_keys_at_most_are_read_in_one_request() -> None:
    dynamo, client = table(*[{"Responses": {}}] * 2)
    assert await dynamo.read([str(number) for number in range(130)]) == {}
    asked: Sequence[Any] = [request["RequestItems"]["stock"]["Keys"] for request in client.requests]
    assert [len(keys) for keys in asked] == [100, 30]


async def test_each_kind_of_write_is_a_call_of_its_own_and_says_what_is_there_afterwards() -> None:
    dynamo, client = table({}, {}, {"Attributes": ITEM})
    assert await dynamo.write(PUT) == {"id": "a", "n": 1}
    assert await dynamo.write(Delete(id="a")) == {}
    assert await dynamo.write(Update(id="a", add={("n",): 1})) == {"id": "a", "n": 1}
    put, delete, update = client.requests
    assert put["Item"] == ITEM
    assert (delete["Key"], update["Key"]) == ({"id": {"S": "a"}}, {"id": {"S": "a"}})
    assert update["ReturnValues"] == "ALL_NEW"
    assert "ReturnValues" not in put


async def test_the_stock_in_a_table_tells_its_observer_of_orders_without_units() -> None:
    class Watching(StockObserver):
        def oversold(self, reservation: Reservation) -> None:
            without_units.append(reservation.id)

    without_units: list[str] = []
    watching = Watching()
    stock = dynamo_stock(client=MemoryDynamo(MemoryTable()), table="stock", observer=watching)
    await stock.counters.set_total("cap", 1)
    await stock.sessions.open("s1", owner="test", slots=1)
    held = await stock.leases.change("cap", "s1", NOTHING, by=1)
    reservation = Reservation(id="rsv_" + 24 * "a", units={"cap": 1})
    await stock.endings.settle([Ending(reservation=reservation, outcome=Outcome.RETURNED)])
    assert isinstance(held, LeaseChanged)
    await stock.leases.change("cap", "s1", held.lease, by=1)
    await stock.endings.settle([Ending(reservation=reservation, outcome=Outcome.SOLD)])
    assert without_units == [reservation.id]


async def test_a_condition_is_part_of_the_request() -> None:
    dynamo, client = table({})
    await dynamo.write(Put(item={"id": "a"}, where=[Where(("map", "x.y"), "<", 3, or_missing=True)]))
    (request,) = client.requests
    assert request["ConditionExpression"] == "(attribute_not_exists(#n0.#n1) OR #n0.#n1 < :v0)"
    assert request["ExpressionAttributeNames"] == {"#n0": "map", "#n1": "x.y"}
    assert request["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


@pytest.mark.parametrize("answer", [{}, {"message": "<html>welcome</html>"}])
async def test_an_answer_without_what_was_asked_for_is_none(answer: Mapping[str, Any]) -> None:
    with pytest.raises(StockUnavailableError, match="Responses") as caught:
        await table(answer)[0].read(["a"])
    assert (caught.value.reason, caught.value.certain) == ("garbled", False)
    with pytest.raises(StockUnavailableError, match="Attributes") as caught:
        await table(answer)[0].write(Update(id="a", add={("n",): 1}))
    assert (caught.value.reason, caught.value.certain) == ("garbled", False)
