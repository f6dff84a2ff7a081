"""The running shop, and the embedded AWS as this process sees it."""

from collections.abc import AsyncIterator

import pytest

from local.emulator import RunningEmulator
from order_api.testing import FakeStock, RunningApi, running_shop


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


@pytest.fixture
async def stock() -> FakeStock:
    """Ten pens; phones are not limited."""
    stock = FakeStock()
    await stock.counters.set_total("pen", 10)
    return stock


@pytest.fixture
async def limited_shop(stock: FakeStock) -> AsyncIterator[RunningApi]:
    """The API with ten pens. Only orders call the stock: nothing is refreshed, and no heartbeat is due."""
    async with running_shop(stock=stock, STOCK_REFRESH_SECONDS="3600", STOCK_LEASE_SECONDS="3600") as running:
        yield running
