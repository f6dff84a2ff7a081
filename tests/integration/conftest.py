"""Shops for the integration tests: real processes, the embedded AWS, one shop per test or per module."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.emulator import RunningEmulator
from local.shop import RunningShop, ShopPlan, open_shop
from tests.integration.shopper import Shopper

# Short leases, so that what a killed process held comes back within a test's patience.
QUICK = {"PAYMENT_TIMEOUT_SECONDS": "2", "LEASE_SECONDS": "3"}
QUICK_PROCESSOR = QUICK | {
    "VISIBILITY_SECONDS": "5",
    "WAIT_SECONDS": "1",
    "BREAKER_THRESHOLD": "3",
    "BREAKER_COOL_DOWN_SECONDS": "0.5",
}

OpenShop = Callable[..., AbstractAsyncContextManager[tuple[RunningShop, Shopper]]]
_numbers = itertools.count(1)


@pytest.fixture
def shop_opener(embedded_aws: RunningEmulator, tmp_path: Path) -> OpenShop:
    """Make a shop of the test's own, with a shopper, for the length of an `async with` block."""

    @contextlib.asynccontextmanager
    async def opened(
        *,
        emulator: RunningEmulator = embedded_aws,
        api_environment: dict[str, str] | None = None,
        processor_environment: dict[str, str] | None = None,
        **plan_of: Any,  # noqa: ANN401 - whatever else a `ShopPlan` takes
    ) -> AsyncIterator[tuple[RunningShop, Shopper]]:
        plan = ShopPlan(
            name=f"flash-it-{next(_numbers)}",
            api_environment=QUICK | (api_environment or {}),
            processor_environment=QUICK_PROCESSOR | (processor_environment or {}),
            **{"payment_seconds": 0.2, "workers": 10} | plan_of,
        )
        async with (
            open_shop(plan, emulator=emulator, folder=tmp_path / plan.name) as shop,
            aiohttp.ClientSession() as session,
        ):
            yield shop, Shopper(shop=shop, session=session)

    return opened
