"""What a transport goes by before it is connected, and the way through a proxy."""

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from botocore.exceptions import ClientError, ProxyConnectionError
from botocore.utils import get_environ_proxies

from flashbus.testing.service import serving
from flashbus.wire.clients import dynamo_client
from flashbus.wire.transport import _proxy

PROXY, OTHER = "http://proxy.test:3128", "http://other.test:3128"
ACCOUNT = {
    "AWS_ENDPOINT_URL": "http://aws.test:4566",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "mine",
    "AWS_SECRET_ACCESS_KEY": "secret",
}


async def get_item() -> object:
    async with dynamo_client(environ=ACCOUNT, max_attempts=1) as client:
        return await client.get_item(TableName="t", Key={"id": {"S": "1"}})


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://sqs.eu-west-1.amazonaws.com", None),
        ({"https_proxy": PROXY, "http_proxy": OTHER}, "https://sqs.eu-west-1.amazonaws.com", PROXY),
        ({"HTTPS_PROXY": PROXY}, "http://sqs.test", None),
        ({"https_proxy": PROXY, "no_proxy": "amazonaws.com"}, "https://sqs.eu-west-1.amazonaws.com", None),
        ({"http_proxy": PROXY, "no_proxy": "aws.test:4566"}, "http://aws.test:4566", None),
        ({"http_proxy": PROXY, "no_proxy": "aws.test:4566"}, "http://aws.test:4567", PROXY),
        ({"http_proxy": PROXY, "no_proxy": "*"}, "http://127.0.0.1:4566", None),
    ],
)
def test_a_proxy_is_found_where_botocore_finds_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _proxy(url) == get_environ_proxies(url).get(url.partition(":")[0]) == proxy


@pytest.mark.real_time
async def test_calls_go_through_the_proxy_and_answers_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    answers = (
        lambda: web.Response(text='{"Item": {"id": {"S": "1"}}}'),
        lambda: web.json_response({"__type": "com.amazonaws#ResourceNotFoundException"}, status=400),
    )
    async with serving(*answers) as (service, url):
        monkeypatch.setenv("http_proxy", url)
        assert await get_item() == {"Item": {"id": {"S": "1"}}}
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            await get_item()
    assert [str(asked.url) for asked in service.asked] == ["http://aws.test:4566/"] * 2
    assert service.asked[0].headers["x-amz-target"] == "DynamoDB_20120810.GetItem"


@pytest.mark.real_time
async def test_a_proxy_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(ProxyConnectionError):
        await get_item()
