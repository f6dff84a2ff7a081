"""Those who repair are killed in the middle of it: the reconciler, and the operator's command for dead letters."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.waiting import wait_until
from tests.chaos.left_behind import Leave, failed, in_payment
from tests.chaos.stage import Stage, reconciler_environment
from tests.chaos.step_kills import STRUCK_WITHIN_SECONDS, both_sides
from tests.integration.shopper import ledger_statuses

# Those that use up an order that is left behind come last.
RECONCILER_STEPS = (
    "ledger.get.done",
    *both_sides("ledger.claim", "gateway.lookup"),
    *both_sides("ledger.record", "orders.send"),
)
REFUND_STEPS = ("ledger.get.done", *both_sides("refunds.refund", "ledger.refunded"))
EXPIRING_STEPS = both_sides("dead_letters.send", "ledger.fail")
REDRIVE_STEPS = (
    "queues.given-up.receive.done",
    *both_sides("senders.queue.send", "queues.given-up.delete_batch", "queues.given-up.change_visibility"),
)
# Every order is too old for the gateway's memory.
EXPIRED = {"GATEWAY_KEY_WINDOW_SECONDS": "1"}
_REDRIVE = ("order_processor.dlq", "redrive", "--all", "--queue", "given-up", "--rate", "1000")
_REDRIVEN_WITHIN_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class ReconcilerKilledAt:
    """A reconciler is killed at each step, a few at a time, over orders that were left behind.

    Attributes:
        leave: Leaves `each` of them for every kill: one that dies has touched ten, which then rest.
        variables: Laid over those of the reconciler.
    """

    steps: tuple[str, ...] = RECONCILER_STEPS
    rounds: int = 1
    at_once: int = 3
    leave: Leave = in_payment
    each: int = 8
    variables: Mapping[str, str] = field(default_factory=dict)

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        variables = reconciler_environment(stage) | dict(self.variables)
        command = ("order_processor.reconcile", "--apply")
        await self.leave(stage, self.each * len(self.steps))
        await asyncio.sleep(5)
        for left in reversed(range(self.rounds)):
            if left:
                await self.leave(stage, self.each * len(self.steps))
            await _killed_at_each(stage, self.steps, self.at_once, variables, command)


@dataclass(frozen=True, kw_only=True)
class RedriveKilledAt:
    """A redrive is killed at each step, a few at a time, over orders that are failed and have their dead letters.

    Attributes:
        spare: More letters than there are kills: many lie hidden for a while, seen by those that died.
    """

    steps: tuple[str, ...] = REDRIVE_STEPS
    rounds: int = 1
    at_once: int = 3
    spare: int = 60

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        await failed(stage, self.spare + len(self.steps) * self.rounds)
        command = (*_REDRIVE, "--limit", "1")
        await _killed_at_each(stage, self.steps * self.rounds, self.at_once, _redrive_variables(stage), command)


@dataclass(frozen=True, kw_only=True)
class Redriven:
    """All customers can be charged again, and an operator redrives until no order is failed and no letter is left."""

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        await stage.shopper.change_gateway(failing_customers=[])

        async def done() -> bool:
            assert await _ended(_redrive_variables(stage), *_REDRIVE) in {0, 1}  # 1: a letter was another's by then
            return await stage.dead_letters() == 0 and "failed" not in (await ledger_statuses(stage.shop)).values()

        await wait_until(done, seconds=_REDRIVEN_WITHIN_SECONDS, every=1)


def _redrive_variables(stage: Stage) -> dict[str, str]:
    outputs = stage.shop.outputs
    queues = {"QUEUE_URL": outputs["QueueUrl"], "DEAD_LETTER_QUEUE_URL": outputs["DeadLetterQueueUrl"]}
    return reconciler_environment(stage) | queues


async def _killed_at_each(
    stage: Stage, steps: tuple[str, ...], at_once: int, variables: Mapping[str, str], command: tuple[str, ...]
) -> None:
    lane = asyncio.Semaphore(at_once)

    async def die_at(step: str) -> None:
        async with lane, asyncio.timeout(STRUCK_WITHIN_SECONDS):
            code = await _run_to(step, variables, command)
            while code != -signal.SIGKILL:
                await asyncio.sleep(0.5)  # others hold what it needs
                code = await _run_to(step, variables, command)
        stage.strikes += 1

    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(die_at(step))


async def _run_to(step: str, variables: Mapping[str, str], command: tuple[str, ...]) -> int:
    return await _ended({**variables, "FAILPOINT": step}, "tests.chaos.failpoints", *command)


async def _ended(variables: Mapping[str, str], *command: str) -> int:
    """Run a command to its end, or to ours; its exit status."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, env=variables, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
