"""AWS clients for an explicit environment: a local run never touches the user's own account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session


@asynccontextmanager
async def aws_client(service: str, environment: Mapping[str, str]) -> AsyncIterator[Any]:
    """An aiobotocore client of `service` for the account that `environment` (AWS_* variables) names.

    Raises KeyError when the endpoint or the credentials are not given: there is no fall-back to the user's own.
    """
    config = AioConfig(
        connect_timeout=5,
        read_timeout=60,
        retries={"max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path"},
        inject_host_prefix=False,
    )
    async with get_session().create_client(
        service,
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=config,
    ) as client:
        yield client
