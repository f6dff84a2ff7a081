"""Open a small client: it stands where an aiobotocore client of the same service would."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from yarl import URL

from flashbus.wire.account import Account, find_account
from flashbus.wire.calls import Caller
from flashbus.wire.json_calls import DynamoCalls, SqsCalls
from flashbus.wire.limits import TransportLimits
from flashbus.wire.signature import Signer
from flashbus.wire.sns_calls import SnsCalls
from flashbus.wire.transport import Transport, open_transport

if TYPE_CHECKING:
    from botocore.parsers import ResponseParser


@asynccontextmanager
async def dynamo_client(**options: Any) -> AsyncIterator[DynamoCalls]:  # noqa: ANN401 - of `_open_caller`
    """Open a client of DynamoDB; the options are those of `flashbus.clients.aws_client`."""
    async with _open_caller("dynamodb", **options) as caller:
        yield DynamoCalls(caller)


@asynccontextmanager
async def sqs_client(**options: Any) -> AsyncIterator[SqsCalls]:  # noqa: ANN401 - as above
    """Open a client of SQS; the options are those of `flashbus.clients.aws_client`."""
    async with _open_caller("sqs", **options) as caller:
        yield SqsCalls(caller)


@asynccontextmanager
async def sns_client(**options: Any) -> AsyncIterator[SnsCalls]:  # noqa: ANN401 - as above
    """Open a client of SNS; the options are those of `flashbus.clients.aws_client`."""
    async with _open_caller("sns", **options) as caller:
        yield SnsCalls(caller)


@asynccontextmanager
async def _open_caller(
    service: str,
    *,
    connect_timeout: timedelta = timedelta(seconds=2),
    read_timeout: timedelta = timedelta(seconds=5),
    max_attempts: int = 3,
    max_pool_connections: int = 50,
    keep_alive: timedelta = timedelta(seconds=12),
    session: Any = None,  # noqa: ANN401 - aiobotocore's, untyped
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Caller]:
    account = await find_account(service, environ=environ, session=session)
    limits = TransportLimits(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        connections=max_pool_connections,
        keep_alive=keep_alive,
    )
    async with open_transport(account.endpoint_url, limits=limits, ca_bundle=account.ca_bundle) as transport:
        yield _caller(service, account, transport, max_attempts)


def _caller(service: str, account: Account, transport: Transport, attempts: int) -> Caller:
    return Caller(
        transport=transport,
        signer=Signer(service=service, region=account.region, host=_host(account.endpoint_url)),
        credentials=account.credentials,
        refusals=partial(_refusal_parser, service),
        attempts=attempts,
    )


def _refusal_parser(service: str) -> "ResponseParser":
    from botocore.parsers import JSONParser, QueryParser  # noqa: PLC0415 - a cold start pays for it only when it must

    return QueryParser() if service == "sns" else JSONParser()


def _host(endpoint_url: str) -> str:
    url = URL(endpoint_url)
    host = url.host_subcomponent or ""
    return host if url.is_default_port() else f"{host}:{url.port}"
