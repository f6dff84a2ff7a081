"""The running shop, and the embedded AWS as this process sees it."""

from collections.abc import AsyncIterator

import pytest

from local.emulator import RunningEmulator
from order_api.testing import RunningApi, running_shop


@pytest.fixture
def aws(embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every AWS client that a test opens at the embedded AWS."""
    for name, value in embedded_aws.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def shop() -> AsyncIterator[RunningApi]:
    """The API with its default settings over a real socket, fakes behind it."""
    async with running_shop() as running:
        yield running
