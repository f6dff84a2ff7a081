"""What can go wrong in a shop, each as a value that a case names."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

import psutil

from local.aws import aws_client
from local.processes import ManagedProcess
from tests.chaos.stage import Stage, start_reconciler
from tests.chaos.tcp_proxy import Fault as LineFault

_STEP_SECONDS = 0.2


class Fault(Protocol):
    """Something that goes wrong, and is over when it returns."""

    async def strike(self, stage: Stage) -> None:
        """Do it to a shop."""
        ...


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """Everything works."""

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""


@dataclass(frozen=True, kw_only=True)
class BadLines:
    """Lines are bad for so long, all at once."""

    lines: tuple[str, ...]
    fault: LineFault
    seconds: float

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        lines = [stage.lines[name] for name in self.lines]
        before = sum(line.strikes for line in lines)
        for line in lines:
            await line.suffer(self.fault)
        await asyncio.sleep(self.seconds)
        for line in lines:
            await line.suffer(None)
        stage.strikes += sum(line.strikes for line in lines) - before


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A process of a kind is killed so many times, and started again each time."""

    what: str
    times: int
    between: tuple[float, float] = (0.2, 1.0)

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        for _ in range(self.times):
            await asyncio.sleep(stage.rng.uniform(*self.between))
            victim = stage.rng.choice(stage.processes(self.what))
            await asyncio.to_thread(victim.kill)
            stage.strikes += 1
            await started(victim)


@dataclass(frozen=True, kw_only=True)
class FunctionsKilled:
    """Workers of the function are killed at any moment, so many of them."""

    times: int
    between: tuple[float, float] = (0.1, 0.6)

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        emulator = psutil.Process(stage.shop.emulator.pid)
        async with aws_client("sqs", stage.shop.emulator.environment) as sqs:
            # As deployed it is six timeouts of the function: a killed worker's messages would take minutes.
            url = stage.shop.outputs["QueueUrl"]
            await sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "8"})
        while stage.strikes < self.times:
            await asyncio.sleep(stage.rng.uniform(*self.between))
            workers = await asyncio.to_thread(emulator.children, recursive=True)
            if workers:
                with suppress(psutil.NoSuchProcess):  # it ended by itself in the same moment
                    stage.rng.choice(workers).kill()
                    stage.strikes += 1


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """A process of a kind is stopped for so long and goes on as if nothing had been."""

    what: str
    times: int
    seconds: float
    between: tuple[float, float] = (0.2, 0.8)

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        for _ in range(self.times):
            await asyncio.sleep(stage.rng.uniform(*self.between))
            victim = stage.rng.choice(stage.processes(self.what))
            victim.send_signal(signal.SIGSTOP)
            stage.strikes += 1
            await asyncio.sleep(self.seconds)
            victim.send_signal(signal.SIGCONT)


@dataclass(frozen=True, kw_only=True)
class Restarted:
    """Processes of a kind are ended with SIGTERM and started again, one after the other; each must end with 0."""

    what: str
    times: int
    between: tuple[float, float] = (0.0, 0.3)

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        for n in range(self.times):
            await asyncio.sleep(stage.rng.uniform(*self.between))
            processes = stage.processes(self.what)
            victim = processes[n % len(processes)]
            async with out_of_rotation(stage, victim):
                code = await victim.aclose()
                assert code == 0, f"{victim.name} ended with {code}\n{victim.log_tail()}"
                stage.strikes += 1
                await started(victim)


@dataclass(frozen=True, kw_only=True)
class FullDisk:
    """No process of a kind can write to a file for so long, neither its log nor what it keeps."""

    whose: tuple[str, ...]
    seconds: float

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        victims = [psutil.Process(process.pid) for what in self.whose for process in stage.processes(what)]
        # The limit of a file's size stands for the end of the room: it needs no file system of its own, nor root.
        room = [victim.rlimit(psutil.RLIMIT_FSIZE) for victim in victims]
        for victim, (_, most) in zip(victims, room, strict=True):
            victim.rlimit(psutil.RLIMIT_FSIZE, (0, most))
            stage.strikes += 1
        await asyncio.sleep(self.seconds)
        for victim, limits in zip(victims, room, strict=True):
            victim.rlimit(psutil.RLIMIT_FSIZE, limits)


@dataclass(frozen=True, kw_only=True)
class GatewayBehaves:
    """The payment provider behaves differently for so long."""

    behaviour: Mapping[str, Any]
    seconds: float

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        async with stage.session.get(f"{stage.shop.gateway_url}/admin/behaviour") as answer:
            before = await answer.json()
        await stage.shopper.change_gateway(**self.behaviour)
        await asyncio.sleep(self.seconds)
        await stage.shopper.change_gateway(**before)
        stage.strikes += 1


@dataclass(frozen=True, kw_only=True)
class BadCustomers:
    """A share of the customers cannot be charged, from now on: of those of the case, and `times` as many in all."""

    share: float
    times: int = 1

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        customers = range(stage.customers.start, stage.customers.start + self.times * len(stage.customers))
        bad = stage.rng.sample(customers, round(self.share * len(customers)))
        await stage.shopper.change_gateway(failing_customers=bad)
        stage.strikes += len(bad)


@dataclass(frozen=True, kw_only=True)
class ReconcilersKilled:
    """Reconcilers are started, and killed before they have ended, until so many have been."""

    times: int

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        killed = 0
        while killed < self.times:
            reconciler = await start_reconciler(stage)
            try:
                async with asyncio.timeout(stage.rng.uniform(0.7, 1.5)):
                    await reconciler.communicate()
            except TimeoutError:
                if reconciler.returncode is not None:  # it ended by itself in the same moment
                    continue
                reconciler.kill()
                await reconciler.wait()
                stage.strikes += 1
                killed += 1


@dataclass(frozen=True, kw_only=True)
class Echo:
    """Every message of the topic comes so many times more, in any sequence."""

    copies: int
    seconds: float

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        environment, outputs = stage.shop.emulator.environment, stage.shop.outputs
        async with aws_client("sqs", environment) as sqs, aws_client("sns", environment) as sns:
            queue = await sqs.create_queue(QueueName=f"{stage.shop.plan.name}-echo")
            names = await sqs.get_queue_attributes(QueueUrl=queue["QueueUrl"], AttributeNames=["QueueArn"])
            subscription = await sns.subscribe(
                TopicArn=outputs["TopicArn"],
                Protocol="sqs",
                Endpoint=names["Attributes"]["QueueArn"],
                Attributes={"RawMessageDelivery": "true"},
                ReturnSubscriptionArn=True,
            )
            await _for(self.seconds, lambda: self._repeat(stage, sqs, queue["QueueUrl"]))
            await sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
            await self._repeat(stage, sqs, queue["QueueUrl"])
            await sqs.delete_queue(QueueUrl=queue["QueueUrl"])

    async def _repeat(self, stage: Stage, sqs: Any, echo_url: str) -> None:  # noqa: ANN401 - botocore clients are untyped
        heard: list[str] = []
        while messages := (await sqs.receive_message(QueueUrl=echo_url, MaxNumberOfMessages=10)).get("Messages"):
            heard += [message["Body"] for message in messages] * self.copies
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            await sqs.delete_message_batch(QueueUrl=echo_url, Entries=entries)
        stage.rng.shuffle(heard)
        await _send(sqs, stage, heard)


@dataclass(frozen=True, kw_only=True)
class Poison:
    """Messages that no version of us has ever written come among the orders."""

    count: int
    between: tuple[float, float] = (0.0, 0.5)

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        async with aws_client("sqs", stage.shop.emulator.environment) as sqs:
            for n in range(self.count):
                await asyncio.sleep(stage.rng.uniform(*self.between))
                await _send(sqs, stage, [stage.rng.choice(['{"half":', "[]", '{"specversion": 7}', f"poison {n}"])])


@dataclass(frozen=True, kw_only=True)
class InTurn:
    """One after the other."""

    faults: tuple[Fault, ...]

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        for fault in self.faults:
            await fault.strike(stage)


@dataclass(frozen=True, kw_only=True)
class AtOnce:
    """All at once."""

    faults: tuple[Fault, ...]

    async def strike(self, stage: Stage) -> None:
        """See `Fault`."""
        async with asyncio.TaskGroup() as group:
            for fault in self.faults:
                group.create_task(fault.strike(stage))


@asynccontextmanager
async def out_of_rotation(stage: Stage, victim: ManagedProcess) -> AsyncIterator[None]:
    """As a load balancer does it: a process that is about to end gets nothing new until it is ready again."""
    there = [api for api in stage.apis if api.process is victim]
    for api in there:
        stage.apis.remove(api)
    try:
        yield
    finally:
        stage.apis.extend(there)


async def started(process: ManagedProcess) -> None:
    """Start a process and wait until it lives; whether it is ready is a matter of what surrounds it."""
    await asyncio.to_thread(process.start)
    await process.ready()


async def _for(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        await act()
        await asyncio.sleep(_STEP_SECONDS)


async def _send(sqs: Any, stage: Stage, bodies: list[str]) -> None:  # noqa: ANN401 - botocore clients are untyped
    for body in bodies:
        await sqs.send_message(QueueUrl=stage.shop.outputs["QueueUrl"], MessageBody=body)
        stage.strikes += 1
