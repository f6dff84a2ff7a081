"""Each step of a program is its end once: between any two calls to the outside it is killed, and others go on."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from local.aws import aws_client
from local.ports import free_port
from local.processes import ManagedProcess, ProcessFailedError
from local.waiting import wait_until
from tests.chaos.faults import started
from tests.chaos.stage import Stage
from tests.integration.limited_sale import ApiProcess

STRUCK_WITHIN_SECONDS = 60


def both_sides(*calls: str) -> tuple[str, ...]:
    """The failpoints before and after each of these calls."""
    return tuple(f"{call}.{side}" for call in calls for side in ("called", "done"))


_SETTLING = both_sides("ledger.claim", "gateway.charge", "ledger.record", "stock.endings.settle")
GIVING_UP_STEPS = both_sides("ledger.fail", "dead_letter_queue.send")
PROCESSOR_STEPS = ("queue.receive.done", *_SETTLING, *both_sides("queue.delete_batch"))
API_STEPS = (
    *both_sides("stock.leases.change", "stock.pages.write", "ledger.accept", "topic.publish_batch"),
    *_SETTLING,
)
CANCELLING_STEPS = both_sides(
    "ledger.cancel", "refunds.refund", "ledger.note_refund", "stock.endings.settle", "ledger.refunded"
)
FUNCTION_STEPS = _SETTLING


@dataclass(frozen=True, kw_only=True)
class ProcessorKilledAt:
    """A processor is killed at each step, all at once; nobody else works meanwhile."""

    steps: tuple[str, ...] = PROCESSOR_STEPS
    rounds: int = 1
    workers: int = 1

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        (usual,) = stage.processors
        await usual.aclose()
        for _ in range(self.rounds):
            async with asyncio.TaskGroup() as group:
                for step in self.steps:
                    variables = {"PORT": str(free_port()), "WORKERS": str(self.workers)}
                    doomed = _doomed(usual, "order_processor", step, variables)
                    group.create_task(_dies(stage, doomed))
        await started(usual)


@dataclass(frozen=True, kw_only=True)
class ApiKilledAt:
    """A process of the API is killed at each step, a few at a time, beside one that lives."""

    steps: tuple[str, ...] = API_STEPS
    rounds: int = 1
    at_once: int = 4

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        # More would starve the embedded AWS: then nobody comes as far as the later steps.
        lane = asyncio.Semaphore(self.at_once)

        async def die_at(step: str) -> None:
            async with lane:
                await self._serve_and_die(stage, step)

        async with asyncio.TaskGroup() as group:
            for step in self.steps * self.rounds:
                group.create_task(die_at(step))

    async def _serve_and_die(self, stage: Stage, step: str) -> None:
        port, operations_port = free_port(), free_port()
        ports = {"PORT": str(port), "OPERATIONS_PORT": str(operations_port)}
        doomed = _doomed(stage.shop.api, "order_api", step, ports, ready_port=operations_port)
        api = ApiProcess(url=f"http://127.0.0.1:{port}", process=doomed)

        @asynccontextmanager
        async def in_rotation() -> AsyncIterator[None]:
            await doomed.ready()
            stage.apis.append(api)
            try:
                yield
            finally:
                stage.apis.remove(api)

        doomed.start()
        try:
            async with in_rotation():
                await _death(stage, doomed)
        except ProcessFailedError:
            assert doomed.returncode == -signal.SIGKILL, doomed.log_tail()  # before it was ready
            stage.strikes += 1
        finally:
            await asyncio.to_thread(doomed.kill)


@dataclass(frozen=True, kw_only=True)
class FunctionKilledAt:
    """The function is killed at each step, all at once; the messages that it was called with come back."""

    steps: tuple[str, ...] = FUNCTION_STEPS
    rounds: int = 1

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        (usual,) = stage.processors
        await usual.aclose()
        async with aws_client("sqs", stage.shop.emulator.environment) as sqs:
            for _ in range(self.rounds):
                async with asyncio.TaskGroup() as group:
                    for step in self.steps:
                        group.create_task(self._invoke(stage, sqs, usual._environment | {"FAILPOINT": step}))
        await started(usual)

    async def _invoke(self, stage: Stage, sqs: Any, environment: Mapping[str, str]) -> None:  # noqa: ANN401 - botocore clients are untyped
        function = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.chaos.failpoints", "lambda_handler",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(STRUCK_WITHIN_SECONDS):
                while await self._map(stage, sqs, function):
                    pass
                code = await function.wait()
        finally:
            if function.returncode is None:  # only after a failure, which must leave nobody behind
                function.kill()
                await function.wait()
        assert code == -signal.SIGKILL
        stage.strikes += 1

    async def _map(self, stage: Stage, sqs: Any, function: asyncio.subprocess.Process) -> bool:  # noqa: ANN401 - as above
        """Call the function once, as an event source mapping does; False when it has died of it."""
        url = stage.shop.outputs["QueueUrl"]
        received = await sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=1, WaitTimeSeconds=1, VisibilityTimeout=4
        )
        messages = received.get("Messages", [])
        assert function.stdin is not None
        assert function.stdout is not None
        function.stdin.write(json.dumps({"Records": [_record(message) for message in messages]}).encode() + b"\n")
        async for line in function.stdout:
            if line.startswith(b'{"answer"'):
                answer = json.loads(line)["answer"] or {"batchItemFailures": []}
                failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
                for message in messages:
                    if message["MessageId"] not in failed:
                        await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                return True
        return False


def _record(message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
    }


def _doomed(
    model: ManagedProcess, program: str, step: str, variables: Mapping[str, str], *, ready_port: int | None = None
) -> ManagedProcess:
    return ManagedProcess(
        name=f"{program} that ends at {step}",
        argv=[sys.executable, "-m", "tests.chaos.failpoints", program],
        environment=model._environment | {"FAILPOINT": step} | dict(variables),
        log_path=model.log_path.with_name(f"{program}-{step}.log"),
        ready_url=None if ready_port is None else f"http://127.0.0.1:{ready_port}/readyz",
    )


async def _dies(stage: Stage, doomed: ManagedProcess) -> None:
    doomed.start()
    await _death(stage, doomed)


async def _death(stage: Stage, doomed: ManagedProcess) -> None:
    async def dead() -> bool:
        return doomed.returncode is not None

    try:
        await wait_until(dead, seconds=STRUCK_WITHIN_SECONDS)
    except TimeoutError as exc:
        raise AssertionError(f"{doomed.name} was never struck\n{doomed.log_tail()}") from exc
    finally:
        await asyncio.to_thread(doomed.kill)
    assert doomed.returncode == -signal.SIGKILL, doomed.log_tail()
    stage.strikes += 1
