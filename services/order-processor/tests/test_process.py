"""The processor as it is started: a process of its own, the embedded AWS, and a payment gateway over HTTP."""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flashbus.clients import aws_client
from flashbus.sqs import SqsQueue
from flashbus.testing import wait_until
from flashmsg import OrderPlaced, encode
from flashops.streams import StandardStreams
from flashpay import ANSWER_LIMIT_BYTES, DynamoLedger, HttpGateway
from flashpay.testing import sample_order
from local.emulator import RunningEmulator
from local.ports import free_port
from order_processor.__main__ import serve
from order_processor.connections import open_connections
from order_processor.settings import Settings

pytestmark = pytest.mark.embedded_aws


@dataclass(kw_only=True)
class Provider:
    """Approves every charge, once it is let go."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: int = 0

    async def charge(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.in_flight += 1
        await self.go_on.wait()
        self.in_flight -= 1
        receipt = {"charge_id": f"ch_{asked['order_id']}", "status": "succeeded", "created_at": "2026-11-27T20:00:00Z"}
        return web.json_response(receipt | asked)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The queues, the ledger's table and the provider, and the variables that name them."""

    variables: Mapping[str, str]
    provider: Provider
    sqs: Any
    dynamodb: Any

    @property
    def operations_url(self) -> str:
        return f"http://127.0.0.1:{self.variables['PORT']}"

    async def send(self, body: str) -> None:
        await self.sqs.send_message(QueueUrl=self.variables["QUEUE_URL"], MessageBody=body)

    async def place(self, count: int) -> None:
        for number in range(count):
            await self.send(encode(OrderPlaced.of(sample_order(f"order {number}"))))

    async def waiting(self, queue: str) -> list[str]:
        """The bodies of the messages that are visible in a queue."""
        answer = await self.sqs.receive_message(QueueUrl=self.variables[queue], MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]

    async def statuses(self) -> list[str]:
        answer = await self.dynamodb.scan(TableName=self.variables["ORDERS_TABLE"])
        return [item["status"]["S"] for item in answer["Items"]]


@pytest.fixture
async def stack(embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    for variable, value in embedded_aws.environment.items():
        monkeypatch.setenv(variable, value)
    name, provider, app = f"processor-{uuid.uuid4().hex[:8]}", Provider(), web.Application()
    app.router.add_post("/v1/charges", provider.charge)
    async with aws_client("sqs") as sqs, aws_client("dynamodb") as dynamodb, TestServer(app) as server:
        await dynamodb.create_table(
            TableName=f"{name}-orders",
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        variables = embedded_aws.environment | {
            "QUEUE_URL": (await sqs.create_queue(QueueName=name))["QueueUrl"],
            "DEAD_LETTER_QUEUE_URL": (await sqs.create_queue(QueueName=f"{name}-dead"))["QueueUrl"],
            "ORDERS_TABLE": f"{name}-orders",
            "GATEWAY_URL": str(server.make_url("")),
            "HOST": "127.0.0.1",
            "PORT": str(free_port()),
            "WORKERS": "3",
            "WAIT_SECONDS": "1",
        }
        yield Stack(variables=variables, provider=provider, sqs=sqs, dynamodb=dynamodb)
        provider.go_on.set()


@asynccontextmanager
async def running(variables: Mapping[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "order_processor",
            env={"PATH": os.environ["PATH"], **variables},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def until_readiness(stack: Stack, process: asyncio.subprocess.Process, code: int, **body: object) -> None:
    """Wait until `/readyz` answers this."""
    seen: tuple[int, object] | None = None
    async with aiohttp.ClientSession(stack.operations_url) as session:
        with suppress(TimeoutError):
            async with asyncio.timeout(15):
                while seen != (code, body) and process.returncode is None:
                    with suppress(aiohttp.ClientConnectionError):
                        async with session.get("/readyz") as response:
                            seen = response.status, await response.json()
                    await asyncio.sleep(0.02)
    assert seen == (code, body)


READY = {"queue": "ok", "progress": "ok"}


async def test_it_settles_in_its_slots_and_drains_when_told_to_stop(stack: Stack, tmp_path: Path) -> None:
    await stack.send("poison")
    await stack.place(5)
    async with running(stack.variables, tmp_path / "log") as process:
        # Or it has ended: what follows will say so.
        await wait_until(
            lambda: stack.provider.in_flight == 3 or process.returncode is not None, longest=timedelta(seconds=15)
        )
        await until_readiness(stack, process, 200, status="ready", checks=READY)
        async with aiohttp.ClientSession(stack.operations_url) as session, session.get("/metrics") as response:
            metrics = (await response.text()).splitlines()
        assert {"processor_slots 3.0", "processor_slots_busy 3.0", "log_lines_dropped_total 0.0"} <= set(metrics)
        process.send_signal(signal.SIGTERM)
        await until_readiness(stack, process, 503, status="draining", checks={})
        assert stack.provider.in_flight == 3
        stack.provider.go_on.set()
        async with asyncio.timeout(15):
            assert await process.wait() == 0
    assert sorted(await stack.statuses()) == ["completed"] * 3
    assert await stack.waiting("DEAD_LETTER_QUEUE_URL") == ["poison"]
    assert len(await stack.waiting("QUEUE_URL")) == 2
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {line["service"] for line in lines} == {"order-processor"}
    (started,) = (line for line in lines if line["event"] == "listening")
    assert (started["workers"], started["port"]) == (3, int(stack.variables["PORT"]))
    assert lines[-1]["event"] == "stopped"


async def test_without_its_queue_it_is_not_ready(stack: Stack, tmp_path: Path) -> None:
    variables = {**stack.variables, "QUEUE_URL": stack.variables["QUEUE_URL"] + "-missing"}
    async with running(variables, tmp_path / "log") as process:
        await until_readiness(stack, process, 503, status="unready", checks=READY | {"queue": "failed"})
        assert process.returncode is None  # it goes on asking


async def test_while_nothing_comes_to_its_end_it_is_not_ready(stack: Stack, tmp_path: Path) -> None:
    await stack.place(1)
    async with running({**stack.variables, "STALL_SECONDS": "0.2"}, tmp_path / "log") as process:
        await until_readiness(stack, process, 503, status="unready", checks=READY | {"progress": "failed"})
        stack.provider.go_on.set()
        await until_readiness(stack, process, 200, status="ready", checks=READY)
    assert await stack.statuses() == ["completed"]


async def test_its_port_takes_as_many_connections_as_it_is_told(stack: Stack, tmp_path: Path) -> None:
    async with (
        running({**stack.variables, "MAX_CONNECTIONS": "1"}, tmp_path / "log") as process,
        aiohttp.ClientSession(stack.operations_url) as another,
    ):
        await until_readiness(stack, process, 200, status="ready", checks=READY)
        async with aiohttp.ClientSession(stack.operations_url) as first:
            assert (await first.get("/livez")).status == 200
            assert (await another.get("/livez")).status == 503


async def test_a_missing_variable_ends_it_with_its_name(stack: Stack, tmp_path: Path) -> None:
    variables = {name: value for name, value in stack.variables.items() if name != "QUEUE_URL"}
    async with running(variables, tmp_path / "log") as process:
        async with asyncio.timeout(15):
            assert await process.wait() == 2
    assert "QUEUE_URL" in (tmp_path / "log").read_text()


async def test_every_slot_has_its_connections_and_a_long_poll_its_time(stack: Stack) -> None:
    required = {name: value for name, value in stack.variables.items() if not name.startswith("AWS_")}
    settings = Settings.from_environment(required | {"WORKERS": "30", "WAIT_SECONDS": "20"})
    async with open_connections(settings) as connections:
        assert isinstance(connections.queue, SqsQueue)
        assert isinstance(connections.ledger, DynamoLedger)
        assert isinstance(connections.gateway, HttpGateway)
        clients: list[Any] = [
            connections.queue._polling_client,
            connections.queue._client,
            connections.ledger._table._client,
        ]
        polling, short, table = (client._caller._transport._limits for client in clients)
        assert (polling.read_timeout.total_seconds(), polling.connections) == (25, settings.poller_count + 1)
        assert short.read_timeout.total_seconds() < 20
        assert table.connections == 31
        exchange: Any = connections.gateway._exchange
        paying = exchange._connections._limits
        assert (paying.connections, paying.answer_bytes) == (31, ANSWER_LIMIT_BYTES)
        # A payment's own timeout comes first.
        assert min(paying.connect_timeout, paying.read_timeout) > settings.payment_timeout


async def test_the_garbage_collector_is_relaxed_once_all_is_wired(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    relaxed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(
        "order_processor.__main__.relax_garbage_collection", lambda *, at_once: relaxed.set_result(at_once)
    )
    required = {name: value for name, value in stack.variables.items() if not name.startswith("AWS_")} | {
        "WORKERS": "17"
    }
    serving = asyncio.create_task(
        serve(Settings.from_environment(required), streams=StandardStreams([]), write_line=lambda *_: None)
    )
    try:
        async with asyncio.timeout(15):
            assert await relaxed == 17
    finally:
        serving.cancel()
        await asyncio.wait([serving])
