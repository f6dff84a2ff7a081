"""AWS clients with bounded retries and timeouts.

They set no `tcp_keepalive`: aiobotocore ignores it, and it would find nothing out. Idle connections are closed after
`keep_alive`, and one in use has its read timeout, long before the kernel's first probe after two hours.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import BotoCoreError, InvalidEndpointConfigurationError

from flashbus.credentials import naming_errors

_EXPLICIT = {
    "endpoint_url": "AWS_ENDPOINT_URL",
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
}
# An endpoint of one's own has no subdomains for buckets and operations.
_OWN_ENDPOINT: Mapping[str, Any] = {"s3": {"addressing_style": "path"}, "inject_host_prefix": False}


@asynccontextmanager
async def aws_client(
    service: str,
    *,
    connect_timeout: timedelta = timedelta(seconds=2),
    read_timeout: timedelta = timedelta(seconds=5),
    max_attempts: int = 3,
    max_pool_connections: int = 50,
    keep_alive: timedelta = timedelta(seconds=12),
    session: AioSession | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Any]:
    """Open a client of an AWS service; it is closed with the block.

    Credentials, region and endpoint come from the standard `AWS_*` variables and the rest of
    the usual chain; `AWS_REGION`, which containers and functions get, is honoured too.

    Args:
        service: `sqs`, `sns`, `dynamodb`, ...
        connect_timeout: For one attempt.
        read_timeout: For one attempt; longer than the wait of a long poll.
        max_attempts: The first one included; standard retry mode with backoff and jitter.
        max_pool_connections: The most requests in flight; others wait for a connection.
        keep_alive: How long an idle connection is kept for another request.
        session: Shared by several clients, it loads the service models once.
        environ: Variables to go by before the process's own: region, endpoint and keys are taken from it.

    Raises:
        BotoCoreError: The variables are no region, profile or endpoint; here and by calls: there are no credentials.

    Yields:
        The client. It is untyped, as botocore builds its methods at run time: hold it in a protocol of your calls.
    """
    account = _account(environ)
    config = AioConfig(
        **_limits(connect_timeout, read_timeout, keep_alive, max_attempts, max_pool_connections),
        **(_OWN_ENDPOINT if "endpoint_url" in account else {}),
    )
    ours = naming_errors(session or get_session())
    async with AsyncExitStack() as opened:
        yield await _entered(ours.create_client(service, config=config, **account), opened)


def _limits(
    connect: timedelta, read: timedelta, keep_alive: timedelta, attempts: int, connections: int
) -> dict[str, Any]:
    return {
        "connect_timeout": connect.total_seconds(),
        "read_timeout": read.total_seconds(),
        "connector_args": {"keepalive_timeout": keep_alive.total_seconds()},
        "retries": {"mode": "standard", "total_max_attempts": attempts},
        "max_pool_connections": connections,
    }


async def _entered(creating: AbstractAsyncContextManager[Any], opened: AsyncExitStack) -> Any:  # noqa: ANN401 - as above
    try:
        return await opened.enter_async_context(creating)
    except BotoCoreError:
        raise  # some of these are ValueErrors too
    except ValueError as error:
        # Of all that may be wrong with the variables, botocore has no error of its own for this.
        raise InvalidEndpointConfigurationError(msg=str(error)) from error


def _account(environ: Mapping[str, str] | None) -> dict[str, str | None]:
    """Region, endpoint and keys as a client takes them, as far as they are given; botocore finds the rest."""
    variables = os.environ if environ is None else environ
    explicit = {} if environ is None else {name: environ[v] for name, v in _EXPLICIT.items() if v in environ}
    return {"region_name": variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or None, **explicit}
