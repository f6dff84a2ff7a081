"""Whose calls they are and where they go: region, endpoint, credentials, as botocore finds them.

The variables alone are enough in a function and on a laptop; they are read without a botocore session, whose import
is most of a cold start. With a configuration file, a profile or credentials that expire, botocore's own chain decides.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from botocore.exceptions import NoCredentialsError, NoRegionError

from flashbus.wire.signature import Keys

_SESSION_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SECURITY_TOKEN",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)


class Credentials(Protocol):
    """Credentials as aiobotocore has them: they are renewed in time, whoever asks."""

    async def get_frozen_credentials(self) -> Keys:
        """Return the keys of now."""
        ...


class _FixedKeys(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None

    async def get_frozen_credentials(self) -> Keys:
        return self


class _LateCredentials:
    """Looked for at every call: what gives them out may only have been away when the process started."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - as below
        self._session = session

    async def get_frozen_credentials(self) -> Keys:
        found: Credentials | None = await self._session.get_credentials()
        if found is None:
            raise NoCredentialsError
        return await found.get_frozen_credentials()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where a service's calls go, and whose they are."""

    region: str
    endpoint_url: str
    credentials: Credentials
    ca_bundle: str | None


async def find_account(
    service: str,
    *,
    environ: Mapping[str, str] | None = None,
    session: Any = None,  # noqa: ANN401 - aiobotocore's, untyped; and not imported where there is none
) -> Account:
    """Find an account.

    Args:
        service: `dynamodb`, `sns` or `sqs`.
        environ: Variables to go by before the process's own.
        session: An aiobotocore session, shared by several clients; opened here when it is needed and not given.

    Raises:
        NoRegionError: None is configured.
    """
    given = environ or {}
    variables = {**os.environ, **given}
    endpoint_url = _endpoint_variable(service, given) or _endpoint_variable(service, os.environ)
    if _are_enough(variables):
        region = _region(variables) or _missing_region()
        keys = _FixedKeys(
            variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], variables.get("AWS_SESSION_TOKEN")
        )
        return Account(
            region=region,
            endpoint_url=endpoint_url or _regional_endpoint(service, region),
            credentials=keys,
            ca_bundle=variables.get("AWS_CA_BUNDLE"),
        )
    return await _account_of_session(service, given, endpoint_url, session)


async def _account_of_session(
    service: str,
    given: Mapping[str, str],
    endpoint_url: str | None,
    session: Any,  # noqa: ANN401 - as above
) -> Account:
    session = session or _new_session()
    region = _region({**os.environ, **given}) or session.get_config_variable("region") or _missing_region()
    if "AWS_ACCESS_KEY_ID" in given:
        session.set_credentials(
            given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"], given.get("AWS_SESSION_TOKEN")
        )
    return Account(
        region=region,
        endpoint_url=endpoint_url or await _resolved_endpoint(service, region, session),
        credentials=await session.get_credentials() or _LateCredentials(session),
        ca_bundle=session.get_config_variable("ca_bundle"),
    )


def _region(variables: Mapping[str, str]) -> str | None:
    return variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")


def _missing_region() -> str:
    raise NoRegionError


def _are_enough(variables: Mapping[str, str]) -> bool:
    config = Path(variables.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    keys = variables.get("AWS_ACCESS_KEY_ID") and variables.get("AWS_SECRET_ACCESS_KEY")
    return bool(keys) and not any(variables.get(name) for name in _SESSION_VARIABLES) and not config.is_file()


def _endpoint_variable(service: str, variables: Mapping[str, str]) -> str | None:
    if variables.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return variables.get(f"AWS_ENDPOINT_URL_{service.upper()}") or variables.get("AWS_ENDPOINT_URL") or None


def _regional_endpoint(service: str, region: str) -> str:
    document = json.loads(files("botocore").joinpath("data", "partitions.json").read_bytes())
    partitions = document["partitions"]
    found = next((one for one in partitions if re.fullmatch(one["regionRegex"], region)), partitions[0])
    return f"https://{service}.{region}.{found['outputs']['dnsSuffix']}"


def _new_session() -> Any:  # noqa: ANN401 - as above
    from aiobotocore.session import get_session  # noqa: PLC0415 - a cold start pays for it only when it must

    return get_session()


async def _resolved_endpoint(service: str, region: str, session: Any) -> str:  # noqa: ANN401 - as above
    """What a client of aiobotocore makes of the configuration: files, FIPS, dual stack."""
    async with session.create_client(service, region_name=region) as client:
        endpoint_url: str = client.meta.endpoint_url
        return endpoint_url
