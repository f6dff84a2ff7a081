"""The publisher that nobody's request waits for, from its options to its answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from flashbus import sns_publisher
from flashbus.publisher import GroupCommitPublisher, PublishError
from flashbus.sns_publisher import open_publisher
from flashbus.testing.service import serving
from flashbus.wire.clients import sns_client
from flashbus.wire.sns_calls import SnsCalls

pytestmark = pytest.mark.real_time

ARN = "arn:aws:sns:eu-west-1:1:t"
TAKEN = """<PublishBatchResponse><PublishBatchResult><Successful><member><Id>0</Id></member></Successful>
</PublishBatchResult></PublishBatchResponse>"""


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    keys = {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1", "NO_PROXY": "*"}
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def test_a_text_is_published_with_its_attributes(account: pytest.MonkeyPatch) -> None:
    async with serving(lambda: web.Response(text=TAKEN)) as (service, url):
        account.setenv("AWS_ENDPOINT_URL", url)
        async with open_publisher(ARN) as publish:
            await publish("body", {"type": "t"})
    (asked,) = (parse_qs(body.decode()) for body in service.bodies)
    entry = "PublishBatchRequestEntries.member.1"
    attribute = f"{entry}.MessageAttributes.entry.1"
    assert asked["TopicArn"] == [ARN]
    assert asked[f"{entry}.Message"] == ["body"]
    assert (asked[f"{attribute}.Name"], asked[f"{attribute}.Value.StringValue"]) == (["type"], ["t"])


async def test_a_topic_that_fails_is_asked_twice_and_not_again_behind_that(account: pytest.MonkeyPatch) -> None:
    async with serving(lambda: web.Response(status=500)) as (service, url):
        account.setenv("AWS_ENDPOINT_URL", url)
        async with open_publisher(ARN) as publish:
            with pytest.raises(PublishError) as caught:
                await publish("body", {})
    assert (caught.value.reason, caught.value.certain) == ("unavailable", False)
    assert len(service.asked) == 2


@pytest.mark.parametrize(("given", "seconds"), [({}, 5.0), ({"timeout": timedelta(seconds=2)}, 2.0)])
async def test_a_message_waits_for_its_acknowledgement_and_half_as_long_for_a_connection(
    account: pytest.MonkeyPatch, given: dict[str, Any], seconds: float
) -> None:
    opened: list[dict[str, Any]] = []
    waits: list[Any] = []

    @asynccontextmanager
    async def noted(**options: Any) -> AsyncIterator[SnsCalls]:  # noqa: ANN401 - of the client
        opened.append(options)
        async with sns_client(**options) as client:
            yield client

    class Noted(GroupCommitPublisher):
        def __init__(self, **options: Any) -> None:  # noqa: ANN401 - of the publisher
            waits.append(options["timeout"])
            super().__init__(**options)

    account.setattr(sns_publisher, "sns_client", noted)
    account.setattr(sns_publisher, "GroupCommitPublisher", Noted)
    async with open_publisher(ARN, session="shared", **given):
        pass
    timeout = timedelta(seconds=seconds)
    assert waits == [timeout]
    assert opened == [{"connect_timeout": timeout / 2, "read_timeout": timeout, "max_attempts": 1, "session": "shared"}]
