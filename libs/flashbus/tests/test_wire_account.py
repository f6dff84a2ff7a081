"""Region, endpoint and credentials are those that aiobotocore would take."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from aiobotocore.session import get_session
from botocore.exceptions import NoCredentialsError, NoRegionError, ProfileNotFound

from flashbus.clients import aws_client
from flashbus.wire.account import find_account

pytestmark = pytest.mark.real_time

KEYS = {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "secret"}
PLACES: dict[str, Mapping[str, str]] = {
    "by the region": {},
    "in China": {"AWS_REGION": "cn-north-1"},
    "by the region's other name": {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"},
    "one endpoint for all": {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"},
    "one of the service's own": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SNS": "http://[::1]:2"},
    "another service's": {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:3"},
    "ignored": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    "FIPS": {"AWS_USE_FIPS_ENDPOINT": "true"},
    "dual stack": {"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_REGION": "eu-west-1"},
}
CONFIG = """
[default]
region = eu-south-1
services = local
endpoint_url = http://127.0.0.1:5
[services local]
sns =
  endpoint_url = http://127.0.0.1:6
"""


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No variable of the machine's own, and no files."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**KEYS, "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return monkeypatch


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("service", ["sns", "sqs"])
async def test_calls_go_where_aiobotocore_s_go(
    variables: pytest.MonkeyPatch, service: str, place: Mapping[str, str]
) -> None:
    for name, value in place.items():
        variables.setenv(name, value)
    async with aws_client(service) as client:
        theirs = (client.meta.endpoint_url, client.meta.region_name)
    ours = await find_account(service)
    assert (ours.endpoint_url, ours.region) == theirs


@pytest.mark.parametrize("service", ["sns", "sqs"])
async def test_a_configuration_file_is_read_like_aiobotocore_reads_it(
    variables: pytest.MonkeyPatch, tmp_path: Path, service: str
) -> None:
    (tmp_path / "AWS_CONFIG_FILE").write_text(CONFIG, encoding="utf-8")
    variables.delenv("AWS_REGION")
    ours = await find_account(service)
    async with get_session().create_client(service) as client:
        assert (ours.endpoint_url, ours.region) == (client.meta.endpoint_url, client.meta.region_name)


async def test_a_credentials_file_is_found(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in KEYS:
        variables.delenv(name)
    text = "[default]\naws_access_key_id = filed\naws_secret_access_key = secret\naws_session_token = token\n"
    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(text, encoding="utf-8")
    keys = await (await find_account("sqs")).credentials.get_frozen_credentials()
    assert (keys.access_key, keys.secret_key, keys.token) == ("filed", "secret", "token")


async def test_given_variables_go_before_the_process_s_own(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:1")
    given = {"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": "http://127.0.0.1:2"}
    account = await find_account("sqs", environ={**given, "AWS_REGION": "eu-west-1"})
    assert (account.endpoint_url, account.region) == ("http://127.0.0.1:2", "eu-west-1")
    assert (await account.credentials.get_frozen_credentials()).access_key == "other"


async def test_given_keys_go_before_a_profile(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "AWS_CONFIG_FILE").write_text(CONFIG, encoding="utf-8")
    variables.delenv("AWS_ACCESS_KEY_ID")
    account = await find_account("sqs", environ={"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "x"})
    assert (await account.credentials.get_frozen_credentials()).access_key == "other"


@pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
async def test_a_profile_that_there_is_not_is_no_account(variables: pytest.MonkeyPatch, variable: str) -> None:
    variables.setenv(variable, "absent")
    with pytest.raises(ProfileNotFound):
        await find_account("sqs")


async def test_the_old_name_of_a_token_and_the_end_of_its_keys_are_known(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("AWS_SECURITY_TOKEN", "old")
    keys = await (await find_account("sqs")).credentials.get_frozen_credentials()
    assert (keys.access_key, keys.token) == ("mine", "old")
    variables.delenv("AWS_SECURITY_TOKEN")
    variables.setenv("AWS_CREDENTIAL_EXPIRATION", "2999-01-01T00:00:00Z")
    assert isinstance((await find_account("sqs")).credentials, AioRefreshableCredentials)


async def test_without_keys_it_is_the_call_that_fails(variables: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        variables.delenv(name)
    account = await find_account("sqs")
    with pytest.raises(NoCredentialsError):
        await account.credentials.get_frozen_credentials()


async def test_keys_that_were_not_there_at_the_start_are_looked_for_at_every_call(
    variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in KEYS:
        variables.delenv(name)
    account = await find_account("sqs")
    with pytest.raises(NoCredentialsError):
        await account.credentials.get_frozen_credentials()
    text = "[default]\naws_access_key_id = late\naws_secret_access_key = secret\n"
    (tmp_path / "AWS_SHARED_CREDENTIALS_FILE").write_text(text, encoding="utf-8")
    assert (await account.credentials.get_frozen_credentials()).access_key == "late"


async def test_without_a_region_there_is_no_account(variables: pytest.MonkeyPatch) -> None:
    variables.delenv("AWS_REGION")
    with pytest.raises(NoRegionError):
        await find_account("sqs")


async def test_credentials_that_expire_are_renewed(variables: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        variables.delenv(name)
    renewed: list[str] = []

    async def renew() -> dict[str, Any]:
        renewed.append(f"key {len(renewed)}")
        year = 2001 if len(renewed) == 1 else 2101
        return {"access_key": renewed[-1], "secret_key": "s", "token": "t", "expiry_time": f"{year}-01-01T00:00:00Z"}

    session = get_session()
    session._credentials = AioRefreshableCredentials.create_from_metadata(await renew(), renew, "test")
    account = await find_account("sqs", session=session)
    assert [(await account.credentials.get_frozen_credentials()).access_key for _ in range(2)] == ["key 1", "key 1"]
