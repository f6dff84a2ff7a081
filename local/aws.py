"""AWS clients for an explicit environment: a local run never touches the user's own account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from flashbus import clients

_REQUIRED = ("AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@asynccontextmanager
async def aws_client(service: str, environment: Mapping[str, str]) -> AsyncIterator[Any]:
    """An aiobotocore client of `service` for the account that `environment` (AWS_* variables) names.

    Raises KeyError when the endpoint or the credentials are not given: there is no fall-back to the user's own.
    """
    async with clients.aws_client(
        service,
        # A deployment into the emulator takes its time, and the machine may be busy.
        connect_timeout=timedelta(seconds=5),
        read_timeout=timedelta(seconds=60),
        environ={name: environment[name] for name in _REQUIRED},
    ) as client:
        yield client
