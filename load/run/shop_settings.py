"""A scenario's shop: the settings that make a naive and a protected synchronous shop, and the run's stack name."""

import math
import secrets

from load.scenario import DEADLINE_SHARE, PROTECTED_LIMIT, WAIT_SHARE, Arm, Scenario, Shop
from local.shop import ShopPlan

UNBOUNDED = 10_000
MARGIN_SECONDS = 5.0


def shop_plan(scenario: Scenario) -> ShopPlan:
    """What local.shop must start for this scenario; the stack's name is new every time."""
    patience = scenario.line_seconds + scenario.payment_seconds + MARGIN_SECONDS
    # The payment's own time-out must outlast the wait for the provider, or a charge goes on that nobody waits for.
    times = {
        "PAYMENT_TIMEOUT_SECONDS": f"{patience:g}",
        "LEASE_SECONDS": f"{patience + MARGIN_SECONDS:g}",
    }
    polling = {
        "VISIBILITY_SECONDS": str(math.ceil(2 * patience + MARGIN_SECONDS)),
        # A processor that stops lets its long poll end by itself; no run should wait 20 s for that.
        "WAIT_SECONDS": "1",
    }
    return ShopPlan(
        name=f"lab-{scenario.folder_name[:24]}-{secrets.token_hex(4)}",
        arm=scenario.arm.value,
        payment_seconds=scenario.payment_seconds,
        capacity=scenario.capacity,
        workers=max(1, scenario.workers),
        api_environment=times | (_sync_environment(scenario, patience) if scenario.arm is Arm.SYNC else {}),
        processor_environment=times | polling,
        gateway_environment={"QUEUE_TIMEOUT_SECONDS": f"{scenario.line_seconds:g}", "SEED": str(scenario.seed)},
        stock=scenario.stock,
    )


def _sync_environment(scenario: Scenario, patience: float) -> dict[str, str]:
    if scenario.shop is Shop.NAIVE:
        return {
            "SYNC_LIMIT": str(UNBOUNDED),
            "SYNC_WAIT_SECONDS": f"{scenario.line_seconds:g}",
            "SYNC_DEADLINE_SECONDS": f"{patience:g}",
            "SYNC_FALLBACK": "false",
        }
    return {
        "SYNC_LIMIT": str(scenario.capacity or PROTECTED_LIMIT),
        "SYNC_WAIT_SECONDS": f"{scenario.line_seconds * WAIT_SHARE:g}",
        "SYNC_DEADLINE_SECONDS": f"{scenario.line_seconds * DEADLINE_SHARE:g}",
        "SYNC_FALLBACK": "true",
    }
