"""Processor tasks that are started and stopped while a run goes on, at the moments its scenario names."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from load.records import WorkersSet
from local.ports import free_port
from local.processes import ManagedProcess, service_process
from local.shop import RunningShop


class ProcessorTasks:
    """The shop's own processor, and the tasks of the same size that are added to it."""

    def __init__(self, *, shop: RunningShop, folder: Path) -> None:
        """Begin with the shop's own processor."""
        self._shop = shop
        self._folder = folder
        self._extra: list[ManagedProcess] = []
        self._stopping: set[asyncio.Task[int | None]] = set()
        self.urls: list[str] = [shop.processor_url] if shop.processor_url is not None else []
        self.changes: list[WorkersSet] = []
        # Told the name and the process id of every added task once it is ready.
        self.on_ready: Callable[[str, int], None] | None = None

    async def follow(self, schedule: Sequence[tuple[float, int]], *, began: float) -> None:
        """Change the number of tasks at each (seconds after `began`, tasks)."""
        self._note(began)
        for moment, tasks in schedule:
            await asyncio.sleep(max(0.0, began + moment - time.time()))
            await self.resize(tasks)

    async def resize(self, tasks: int) -> None:
        """Run `tasks` tasks, the shop's own included. A task that goes finishes what it has begun."""
        while len(self._extra) + 1 > max(1, tasks):
            process = self._extra.pop()
            self.urls.pop()
            stopping = asyncio.create_task(process.aclose(), name=f"stop {process.name}")
            self._stopping.add(stopping)
        new = [self._task(number) for number in range(len(self._extra) + 2, tasks + 1)]
        for process, _ in new:
            process.start()
            self._extra.append(process)
        await asyncio.gather(*(process.ready() for process, _ in new))
        for process, url in new:
            self.urls.append(url)
            if self.on_ready is not None:
                self.on_ready(process.name, process.pid)
        self._note(time.time())

    def _note(self, at: float) -> None:
        self.changes.append(WorkersSet(at=at, workers=self._shop.plan.workers * (len(self._extra) + 1)))

    def _task(self, number: int) -> tuple[ManagedProcess, str]:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        outputs = self._shop.outputs
        environment = {
            **self._shop.emulator.environment,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "QUEUE_URL": outputs["QueueUrl"],
            "DEAD_LETTER_QUEUE_URL": outputs["DeadLetterQueueUrl"],
            "ORDERS_TABLE": outputs["OrdersTableName"],
            "GATEWAY_URL": self._shop.gateway_url,
            "WORKERS": str(self._shop.plan.workers),
            **self._shop.plan.processor_environment,
        }
        process = service_process(
            "order_processor",
            name=f"order processor {number}",
            environment=environment,
            log_path=self._folder / f"order-processor-{number}.log",
            ready_url=f"{url}/readyz",
        )
        return process, url

    async def aclose(self) -> None:
        """Stop every added task and wait for those that are stopping."""
        self._stopping |= {asyncio.create_task(process.aclose()) for process in self._extra}
        self._extra.clear()
        while self._stopping:
            done, self._stopping = await asyncio.wait(self._stopping)
            for task in done:
                task.result()


@asynccontextmanager
async def processor_tasks(shop: RunningShop, folder: Path) -> AsyncIterator[ProcessorTasks]:
    """Processor tasks for the length of the block; whatever it started has ended afterwards."""
    running = ProcessorTasks(shop=shop, folder=folder)
    try:
        yield running
    finally:
        await running.aclose()
