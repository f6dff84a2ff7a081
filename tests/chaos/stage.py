"""A whole shop of real processes with a proxy on every line between them, and what a fault may take hold of."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from flashstock.stock import Stock
from local.emulator import RunningEmulator
from local.ports import free_port
from local.processes import ManagedProcess, service_process
from local.shop import RunningShop, ShopPlan, open_shop
from tests.chaos.broker import Broker
from tests.chaos.customers import Customer
from tests.chaos.tcp_proxy import TcpProxy, tcp_proxy
from tests.integration.conftest import QUICK, QUICK_PROCESSOR
from tests.integration.limited_sale import PRODUCT, ApiProcess, more_apis, open_stock
from tests.integration.repair import reconciler_variables
from tests.integration.shopper import Shopper, queue_depth
from tests.integration.subscriber import Subscriber, subscribed

AWS_LINES = ("api-sns", "api-dynamodb", "processor-sqs", "processor-dynamodb")
GATEWAY_LINES = ("api-gateway", "processor-gateway", "function-gateway")
QUICK_API = QUICK | {"STOCK_LEASE_SECONDS": "2", "SYNC_LIMIT": "50", "SYNC_DEADLINE_SECONDS": "4"}


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """What a shop for chaos runs is made of; the environments are laid over the quick ones. `units` None: no limit."""

    arm: str = "ecs"
    payment_seconds: float = 0.2
    capacity: int = 0
    workers: int = 20
    apis: int = 1
    processors: int = 1
    units: int | None = None
    api: Mapping[str, str] = field(default_factory=dict)
    processor: Mapping[str, str] = field(default_factory=dict)
    gateway: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Stage:
    """A running shop.

    Attributes:
        apis: Those that a load balancer would send to.
        customers: The numbers of those who come in the case that runs.
        left_behind: Customers of whom only the records know: nobody came, yet their orders are as good as any.
        strikes: How often faults have struck so far.
    """

    plan: StagePlan
    shop: RunningShop
    shopper: Shopper
    session: aiohttp.ClientSession
    lines: Mapping[str, TcpProxy]
    apis: list[ApiProcess]
    processors: list[ManagedProcess]
    stock: Stock
    subscriber: Subscriber
    rng: random.Random
    broker: Broker | None = None
    customers: range = range(0)
    left_behind: list[Customer] = field(default_factory=list)
    strikes: int = 0

    def processes(self, what: str) -> list[ManagedProcess]:
        """The processes of a kind: `api`, `processor`, `gateway` or `broker`."""
        if what == "broker":
            assert self.broker is not None
            return [self.broker.process]
        if what == "api":
            return [api.process for api in self.apis]
        return self.processors if what == "processor" else [self.shop.gateway]

    @property
    def queues(self) -> RunningShop:
        """The shop, as those see it who ask for its queues."""
        return self.shop if self.broker is None else replace(self.shop, emulator=self.broker.running)

    async def dead_letters(self) -> int:
        """How many messages lie in the dead-letter queue."""
        return await queue_depth(self.queues, "DeadLetterQueueUrl")


@asynccontextmanager
async def open_stage(
    plan: StagePlan,
    *,
    name: str,
    emulator: RunningEmulator,
    folder: Path,
    rng: random.Random,
    broker: Broker | None = None,
) -> AsyncIterator[Stage]:
    """Run such a shop for the length of the block, in a broker of its own where one is given."""
    async with AsyncExitStack() as exits:
        lines = await _lines(exits, emulator, broker, rng)
        shop = await exits.enter_async_context(
            open_shop(
                _shop_plan(plan, name, lines),
                emulator=emulator,
                folder=folder,
                resources=None if broker is None else broker.resources,
            )
        )
        for line in GATEWAY_LINES:
            lines[line].upstream = _address(shop.gateway_url)
        session = await exits.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        )
        yield Stage(
            plan=plan,
            shop=shop,
            shopper=Shopper(shop=shop, session=session),
            session=session,
            lines=lines,
            apis=await exits.enter_async_context(more_apis(shop, plan.apis - 1)),
            processors=await _processors(shop, plan.processors, exits),
            stock=await exits.enter_async_context(open_stock(shop)),
            subscriber=await exits.enter_async_context(subscribed(shop)),
            rng=rng,
            broker=broker,
        )


async def _lines(
    exits: AsyncExitStack, emulator: RunningEmulator, broker: Broker | None, rng: random.Random
) -> dict[str, TcpProxy]:
    lines = {line: await exits.enter_async_context(tcp_proxy(emulator.address, rng=rng)) for line in AWS_LINES}
    if broker is not None:
        lines["api-sns"].upstream = lines["processor-sqs"].upstream = broker.running.address
    return lines | {line: await exits.enter_async_context(tcp_proxy(rng=rng)) for line in GATEWAY_LINES}


def _shop_plan(plan: StagePlan, name: str, lines: Mapping[str, TcpProxy]) -> ShopPlan:
    def through(who: str, *services: str) -> dict[str, str]:
        aws = {f"AWS_ENDPOINT_URL_{service.upper()}": lines[f"{who}-{service}"].url for service in services}
        return aws | {"GATEWAY_URL": lines[f"{who}-gateway"].url}

    return ShopPlan(
        name=name,
        arm=plan.arm,
        payment_seconds=plan.payment_seconds,
        capacity=plan.capacity,
        workers=plan.workers,
        outcomes=True,
        api_environment=QUICK_API | through("api", "sns", "dynamodb") | dict(plan.api),
        processor_environment=QUICK_PROCESSOR | through("processor", "sqs", "dynamodb") | dict(plan.processor),
        gateway_environment=plan.gateway,
        parameters={"GatewayUrl": lines["function-gateway"].url},
        stock={} if plan.units is None else {PRODUCT: plan.units},
    )


async def _processors(shop: RunningShop, count: int, exits: AsyncExitStack) -> list[ManagedProcess]:
    if shop.processor is None:
        return []
    processors = [shop.processor]
    for number in range(2, count + 1):
        port = free_port()
        process = service_process(
            "order_processor",
            name=f"order processor {number}",
            environment=shop.processor._environment | {"PORT": str(port)},
            log_path=shop.processor.log_path.with_name(f"order-processor-{number}.log"),
            ready_url=f"http://127.0.0.1:{port}/readyz",
        )
        processors.append(await exits.enter_async_context(process))
    return processors


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def reconciler_environment(stage: Stage) -> dict[str, str]:
    """The variables of a reconciler of this shop."""
    variables = stage.shop.emulator.environment | reconciler_variables(stage.shop)
    if stage.broker is not None:
        url = stage.broker.running.endpoint_url
        variables |= {"AWS_ENDPOINT_URL_SNS": url, "AWS_ENDPOINT_URL_SQS": url}
    return variables


async def start_reconciler(stage: Stage) -> asyncio.subprocess.Process:
    """Start one run of a reconciler that repairs; its standard error is piped."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "order_processor.reconcile", "--apply",
        env=reconciler_environment(stage),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
