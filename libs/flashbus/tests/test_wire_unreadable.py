"""Answers that the signed client cannot read: named with their call, whatever they are."""

import pytest
from aiohttp import web
from botocore.parsers import ResponseParserError

from flashbus.testing.service import serving
from flashbus.wire.clients import dynamo_client

pytestmark = pytest.mark.real_time


async def get_item(url: str) -> None:
    async with dynamo_client(environ={"AWS_ENDPOINT_URL": url, "AWS_REGION": "eu-west-1"}) as client:
        await client.get_item(TableName="t", Key={"order_id": {"S": "1"}})


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


async def test_a_refusal_that_cannot_be_read_is_named_with_its_call() -> None:
    async with serving(lambda: web.Response(status=400, text="[1]")) as (_, url):
        with pytest.raises(ResponseParserError, match="GetItem: HTTP 400 with a body that is no error"):
            await get_item(url)


@pytest.mark.parametrize("status", [200, 400])
async def test_an_answer_that_is_nested_deeper_than_a_parser_goes_is_garbled(status: int) -> None:
    async with serving(lambda: web.Response(status=status, text="[" * 100_000)) as (_, url):
        with pytest.raises(ResponseParserError, match="GetItem"):
            await get_item(url)
