"""An operator's commands against a running shop."""

import asyncio
import json
import os
import sys
from typing import Any

from local.shop import RunningShop
from local.waiting import wait_until
from tests.integration.conftest import QUICK


async def run(shop: RunningShop, module: str, *arguments: str, **variables: str) -> tuple[int | None, str]:
    """Run an operator's command against a shop: its exit status, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"order_processor.{module}", *arguments,
        env={"PATH": os.environ["PATH"], **shop.emulator.environment, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def reconciler_variables(shop: RunningShop) -> dict[str, str]:
    """What a reconciler of this shop is told; it need not wait long."""
    return QUICK | {
        "ORDERS_TABLE": shop.outputs["OrdersTableName"],
        "STOCK_TABLE": shop.outputs["StockTableName"],
        "ORDERS_TOPIC_ARN": shop.outputs["TopicArn"],
        "DEAD_LETTER_QUEUE_URL": shop.outputs["DeadLetterQueueUrl"],
        "OUTCOMES_TOPIC_ARN": shop.outputs.get("OutcomesTopicArn", ""),
        "GATEWAY_URL": shop.gateway_url,
        "RECONCILE_AFTER_SECONDS": "4",
    }


async def reconcile(shop: RunningShop, *arguments: str) -> tuple[int | None, str]:
    return await run(shop, "reconcile", *arguments, **reconciler_variables(shop))


def summary(said: str) -> dict[str, Any]:
    """The last line of a run."""
    line: dict[str, Any] = json.loads(said.splitlines()[-1])
    return line


async def until_reconciling_would(shop: RunningShop, **outcomes: int) -> None:
    """Wait until all that was left behind has rested for long enough: a dry run says so."""

    async def would() -> bool:
        status, said = await reconcile(shop)
        assert status == 0, said
        return outcomes.items() <= summary(said).items()

    await wait_until(would, seconds=60)
