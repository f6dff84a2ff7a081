"""One whole shop on the laptop: its own stack, payment gateway, API and, for the ecs arm, its processor."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloudformation.build import render_template
from cloudformation.delivery.artifact import build_local_artifact
from local.catalogue import Product, load_catalogue, seed_catalogue, seed_stock, stocked
from local.emulator import RunningEmulator
from local.ports import free_port
from local.processes import ManagedProcess, service_process
from local.shared_code import shared_code
from local.stack import delete_stack, deploy_stack, upload

ARTIFACT_BUCKET = "flash-artifacts"
ARMS = ("sync", "ecs", "lambda", "lambda-sqs")


@dataclass(frozen=True, kw_only=True)
class ShopPlan:
    """What a shop is made of.

    `payment_seconds` is how long the provider takes per charge, `capacity` how many it takes at once (0: no limit),
    `workers` the processor's slots; with `outcomes` there is a topic that says how orders ended. The environments are
    laid over what the plan itself gives each service; `parameters` likewise over the stack's, and `stock` (units by
    product id) over the catalogue's.
    """

    name: str
    arm: str = "ecs"
    payment_seconds: float = 3.0
    capacity: int = 0
    workers: int = 20
    outcomes: bool = False
    api_port: int | None = None
    api_environment: Mapping[str, str] = field(default_factory=dict)
    processor_environment: Mapping[str, str] = field(default_factory=dict)
    gateway_environment: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    stock: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RunningShop:
    """A running shop: where its parts answer, and the processes behind them (no processor in the lambda arms)."""

    plan: ShopPlan
    emulator: RunningEmulator
    outputs: Mapping[str, str]
    products: tuple[Product, ...]
    api_url: str
    api_operations_url: str
    gateway_url: str
    processor_url: str | None
    api: ManagedProcess
    gateway: ManagedProcess
    processor: ManagedProcess | None


@asynccontextmanager
async def open_shop(
    plan: ShopPlan, *, emulator: RunningEmulator, folder: Path, resources: Mapping[str, str] | None = None
) -> AsyncIterator[RunningShop]:
    """Run the shop that `plan` describes for the length of the block; logs and charge store go to `folder`.

    Leaving the block stops the services in order (intake first, gateway last) and deletes the stack. `resources`, by
    the names of the stack's outputs, stand in for its own: those of another broker.
    """
    if plan.arm not in ARMS:
        raise ValueError(f"arm: {plan.arm!r} is none of {', '.join(ARMS)}")
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    async with AsyncExitStack() as exits:
        gateway, gateway_url = _gateway(plan, folder)
        gateway.start()
        exits.push_async_callback(_stop_all, gateway)
        outputs = await _deploy(plan, emulator, gateway_url) | dict(resources or {})
        exits.push_async_callback(delete_stack, emulator.environment, name=plan.name)
        products = stocked(load_catalogue(), plan.stock)
        await seed_catalogue(emulator.environment, table=outputs["ProductsTableName"], products=products)
        await seed_stock(emulator.environment, table=outputs["StockTableName"], products=products)
        api, api_url, api_operations_url = _api(plan, emulator, folder, outputs, gateway_url)
        processor, processor_url = _processor(plan, emulator, folder, outputs, gateway_url)
        services = [api] if processor is None else [api, processor]
        exits.push_async_callback(_stop_all, *services)
        for service in services:
            service.start()
        await asyncio.gather(*(process.ready() for process in (gateway, *services)))
        yield RunningShop(
            plan=plan,
            emulator=emulator,
            outputs=outputs,
            products=products,
            api_url=api_url,
            api_operations_url=api_operations_url,
            gateway_url=gateway_url,
            processor_url=processor_url,
            api=api,
            gateway=gateway,
            processor=processor,
        )


async def _stop_all(*processes: ManagedProcess) -> None:
    for process in processes:
        await process.aclose()


def _service(
    module: str,
    *,
    name: str,
    folder: Path,
    environment: Mapping[str, str],
    port: int | None = None,
    operations_url: str | None = None,
) -> tuple[ManagedProcess, str]:
    """One of the services on a port of its own (a free one unless given), and where it answers.

    Readiness is asked of `operations_url`, for a service that has another port for that.
    """
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    process = service_process(
        module,
        name=name,
        environment={"HOST": "127.0.0.1", "PORT": str(port), **environment},
        log_path=folder / f"{module.replace('_', '-')}.log",
        ready_url=f"{operations_url or url}/readyz",
    )
    return process, url


def _gateway(plan: ShopPlan, folder: Path) -> tuple[ManagedProcess, str]:
    environment = {
        "CHARGE_STORE_PATH": str(folder / "gateway.sqlite3"),
        "LATENCY_SECONDS": str(plan.payment_seconds),
        "CAPACITY": str(plan.capacity),
        **plan.gateway_environment,
    }
    return _service("payment_gateway", name="payment gateway", folder=folder, environment=environment)


async def _deploy(plan: ShopPlan, emulator: RunningEmulator, gateway_url: str) -> dict[str, str]:
    consumer = plan.arm if plan.arm.startswith("lambda") else "ecs"
    parameters = {"Consumer": consumer, "GatewayUrl": gateway_url, "RetainData": "false"}
    parameters["OutcomeEvents"] = "true" if plan.outcomes else "false"
    if consumer != "ecs":
        artifact = await asyncio.to_thread(lambda: shared_code(build_local_artifact(), emulator.temporary))
        await upload(emulator.environment, bucket=ARTIFACT_BUCKET, key=artifact.name, file=artifact)
        parameters |= {"ArtifactBucket": ARTIFACT_BUCKET, "ArtifactKey": artifact.name}
    return await deploy_stack(
        emulator.environment,
        name=plan.name,
        template=render_template("pipeline"),
        parameters=parameters | dict(plan.parameters),
    )


def _api(
    plan: ShopPlan, emulator: RunningEmulator, folder: Path, outputs: Mapping[str, str], gateway_url: str
) -> tuple[ManagedProcess, str, str]:
    operations_port = free_port()
    operations_url = f"http://127.0.0.1:{operations_port}"
    environment = {
        **emulator.environment,
        **_api_environment(outputs, gateway_url),
        "OPERATIONS_PORT": str(operations_port),
        **plan.api_environment,
    }
    process, url = _service(
        "order_api",
        name="order API",
        folder=folder,
        environment=environment,
        port=plan.api_port,
        operations_url=operations_url,
    )
    return process, url, operations_url


def _api_environment(outputs: Mapping[str, str], gateway_url: str) -> dict[str, str]:
    return {
        "ORDERS_TOPIC_ARN": outputs["TopicArn"],
        "ORDERS_TABLE": outputs["OrdersTableName"],
        "PRODUCTS_TABLE": outputs["ProductsTableName"],
        "STOCK_TABLE": outputs["StockTableName"],
        "OUTCOMES_TOPIC_ARN": outputs.get("OutcomesTopicArn", ""),
        "ORDER_ID_SECRET": secrets.token_urlsafe(48),
        "GATEWAY_URL": gateway_url,
        "DRAIN_GRACE_SECONDS": "0",  # no load balancer watches readiness here
    }


def _processor(
    plan: ShopPlan, emulator: RunningEmulator, folder: Path, outputs: Mapping[str, str], gateway_url: str
) -> tuple[ManagedProcess | None, str | None]:
    if plan.arm.startswith("lambda"):
        return None, None
    environment = {
        **emulator.environment,
        "QUEUE_URL": outputs["QueueUrl"],
        "DEAD_LETTER_QUEUE_URL": outputs["DeadLetterQueueUrl"],
        "ORDERS_TABLE": outputs["OrdersTableName"],
        "STOCK_TABLE": outputs["StockTableName"],
        "OUTCOMES_TOPIC_ARN": outputs.get("OutcomesTopicArn", ""),
        "GATEWAY_URL": gateway_url,
        "WORKERS": str(plan.workers),
        "WAIT_SECONDS": "2",  # a long poll is never cut short, so this is how long an idle processor takes to stop
        **plan.processor_environment,
    }
    return _service("order_processor", name="order processor", folder=folder, environment=environment)
