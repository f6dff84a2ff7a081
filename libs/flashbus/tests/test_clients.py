"""AWS clients follow the standard variables and give up in bounded time."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from aiobotocore.session import get_session
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError

from flashbus.clients import aws_client
from flashbus.wire.clients import _open_caller, sqs_client
from flashbus.wire.direct import DirectTransport
from flashbus.wire.limits import TransportLimits

pytestmark = pytest.mark.real_time


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


async def test_endpoint_and_region_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    async with aws_client("sqs") as client:
        assert client.meta.endpoint_url == "http://127.0.0.1:1"
        assert client.meta.region_name == "eu-central-1"


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("AWS_ENDPOINT_URL", "nonsense", "Invalid endpoint: nonsense"),
        ("AWS_REGION", "eu central", "region_name 'eu central'"),
        ("AWS_PROFILE", "nobody", r"profile \(nobody\)"),
    ],
)
async def test_a_variable_that_leads_nowhere_is_an_error_of_botocore(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BotoCoreError, match=complaint):
        async with aws_client("sqs"):
            raise AssertionError("there is a client")


@pytest.fixture
def credential_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Has credentials come of a program that prints this."""

    def print_this(text: str) -> None:
        (tmp_path / "printed").write_text(text)
        (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path}/printed\n")

    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    return print_this


KEYS = '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": "%s-01-01T00Z"}'


async def test_credentials_that_have_expired_when_they_are_renewed_are_an_error_of_botocore(
    credential_process: Callable[[str], None],
) -> None:
    credential_process(KEYS % 2001)
    session = get_session()
    async with aws_client("sqs", session=session) as sqs, aws_client("sns", session=session) as sns:
        for call in (sqs.list_queues, sns.list_topics):
            with pytest.raises(CredentialRetrievalError, match="the refreshed credentials are still expired"):
                await call()


async def test_credentials_that_cannot_be_read_are_an_error_of_botocore(
    credential_process: Callable[[str], None],
) -> None:
    credential_process("no JSON")
    with pytest.raises(CredentialRetrievalError, match="JSONDecodeError"):
        async with aws_client("sqs"):
            raise AssertionError("there is a client")


async def test_credentials_that_are_renewed_sign(credential_process: Callable[[str], None]) -> None:
    credential_process(KEYS % 2999)
    async with aws_client("sqs") as client:
        url = await client.generate_presigned_url("list_queues")
    assert "Credential=a%2F" in url or "AWSAccessKeyId=a" in url


async def test_the_older_region_variable_is_honoured() -> None:
    async with aws_client("sqs", environ={"AWS_DEFAULT_REGION": "us-west-2"}) as client:
        assert client.meta.region_name == "us-west-2"


async def test_given_variables_go_before_the_process_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    given = {
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:2",
        "AWS_ACCESS_KEY_ID": "mine",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": "for-an-hour",
    }
    async with aws_client("s3", environ=given) as client:
        url = await client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"})
    # Path style: a bucket is no subdomain of an endpoint of one's own.
    assert url.startswith("http://127.0.0.1:2/bucket/key?")
    assert "mine" in url
    assert "for-an-hour" in url
    assert "eu-west-1" in url or "AWSAccessKeyId=mine" in url


async def test_idle_connections_are_kept_as_long_as_told() -> None:
    async with aws_client("sqs", keep_alive=timedelta(seconds=7)) as client:
        assert client.meta.config.connector_args["keepalive_timeout"] == 7


async def test_a_client_gives_up_in_bounded_time_by_default() -> None:
    async with aws_client("sqs") as client:
        config = client.meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (2, 5, 50)
    assert config.retries == {"mode": "standard", "total_max_attempts": 3}
    assert config.connector_args["keepalive_timeout"] == 12


def defaults(opens: Callable[..., object]) -> dict[str, object]:
    parameters = inspect.signature(opens).parameters.items()
    return {name: parameter.default for name, parameter in parameters if parameter.default is not parameter.empty}


async def test_the_signed_client_waits_and_tries_as_the_other_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert defaults(_open_caller) == defaults(aws_client)
    one, two, three = (timedelta(seconds=seconds) for seconds in (1, 2, 3))
    options = {"connect_timeout": one, "read_timeout": two, "keep_alive": three, "max_pool_connections": 6}
    async with sqs_client(max_attempts=4, **options) as client:
        caller = client._caller
        assert caller._attempts == 4
        assert isinstance(caller._transport, DirectTransport)
        assert caller._transport._limits == TransportLimits(
            connect_timeout=one, read_timeout=two, keep_alive=three, connections=6
        )


async def test_attempts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    async def unavailable(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.Response(status=503)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", unavailable)
    async with TestServer(app) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", str(server.make_url("")))
        async with aws_client("sqs", max_attempts=2, read_timeout=timedelta(seconds=1)) as client:
            with pytest.raises(ClientError):
                await client.list_queues()
    assert len(calls) == 2
