"""Once a second: queue depth, busy slots, the payment provider's counts, stock, CPU and memory of every process."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import psutil

from load.records import EMBEDDED_AWS, FUNCTIONS, ProcessSample, Sample, StockSample
from load.run.probes import Probes

PERIOD_SECONDS = 1.0


class Sampler:
    """Collects samples until it is stopped; the latest one feeds the progress line."""

    def __init__(self, *, probes: Probes, processes: Mapping[str, int], processor_urls: Sequence[str]) -> None:
        """Watch the parts behind `probes`, the processes (name → pid) and the processors, whose list may change."""
        self._probes = probes
        self._processor_urls = processor_urls
        self._processes = {name: psutil.Process(pid) for name, pid in processes.items() if psutil.pid_exists(pid)}
        self._children: dict[int, psutil.Process] = {}
        self.samples: list[Sample] = []
        self.stock_samples: list[StockSample] = []
        self.process_samples: list[ProcessSample] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def latest(self) -> Sample:
        """The last sample; all zeros before the first."""
        return self.samples[-1] if self.samples else Sample(at=0.0)

    def watch(self, name: str, pid: int) -> None:
        """Add a process; it is left out of the samples once it has ended."""
        self._processes[name] = psutil.Process(pid)

    @property
    def reserved(self) -> int:
        """Units that some order, or a process that sells them, holds at the latest sample."""
        return sum(one.reserved for one in self.stock_samples if one.at == self.latest.at)

    async def take(self) -> Sample:
        """Take one sample now."""
        visible, in_flight = await self._probes.depth()
        at = time.time()
        payments = await self._probes.payment_summary()
        until = time.time()
        stock = await self._probes.stock(at) if self._probes.has_stock else []
        slots_busy = await self._probes.slots_busy(list(self._processor_urls))
        sample = Sample(
            at=at,
            until=until,
            visible=visible,
            in_flight=in_flight,
            slots_busy=slots_busy,
            charging=int(payments["in_flight"]),
            waiting=int(payments["waiting"]),
            charges=int(payments["charges"]) + int(payments["declined"]),
        )
        self.samples.append(sample)
        self.stock_samples += stock
        self.process_samples += self._usage(at)
        return sample

    def _usage(self, at: float) -> list[ProcessSample]:
        rows = []
        for name, process in self._processes.items():
            try:
                with process.oneshot():
                    cpu, memory = process.cpu_percent(), process.memory_info().rss
            except psutil.Error:
                continue  # it has ended
            rows.append(ProcessSample(at=at, process=name, cpu_percent=cpu, rss_bytes=memory))
        if (functions := self._functions(at)) is not None:
            rows.append(functions)
        return rows

    def _functions(self, at: float) -> ProcessSample | None:
        """The function environments, which are children of the embedded AWS: CPU of all, memory of the largest."""
        parent = self._processes.get(EMBEDDED_AWS)
        try:
            found = {child.pid: child for child in parent.children(recursive=True)} if parent is not None else {}
            # The first reading of a process is 0; the object must live until the second.
            self._children = {pid: self._children.get(pid, child) for pid, child in found.items()}
            if not self._children:
                return None
            cpu = sum(child.cpu_percent() for child in self._children.values())
            memory = max(child.memory_info().rss for child in self._children.values())
        except psutil.Error:
            return None  # one of them has just ended
        return ProcessSample(at=at, process=FUNCTIONS, cpu_percent=cpu, rss_bytes=memory)

    def check(self) -> None:
        """Raise what ended the sampler, if anything did."""
        if self.task is not None and self.task.done() and not self.task.cancelled():
            self.task.result()

    async def run(self) -> None:
        """Sample every second until cancelled."""
        due = time.monotonic()
        while True:
            await self.take()
            due = max(due + PERIOD_SECONDS, time.monotonic())
            await asyncio.sleep(due - time.monotonic())


@asynccontextmanager
async def sampling(sampler: Sampler) -> AsyncIterator[Sampler]:
    """Run the sampler for the length of the block; check() tells whether it still runs."""
    task = asyncio.create_task(sampler.run(), name="sampler")
    sampler.task = task
    try:
        yield sampler
    finally:
        task.cancel()
        await asyncio.wait({task})
