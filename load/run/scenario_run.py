"""One run of one scenario: open its shop, let the shoppers in, wait until the backlog is gone, ask every probe."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from load.records import EMBEDDED_AWS, Ending, Order, RunRecords, write_records
from load.run.probes import Probes, probes
from load.run.processor_tasks import ProcessorTasks, processor_tasks
from load.run.sampler import Sampler, sampling
from load.run.shop_settings import shop_plan
from load.scenario import Scenario
from load.traffic.generators import LoadFiles, load_process, write_plan
from load.traffic.journal_reader import JournalReader, read_journal
from local.emulator import RunningEmulator
from local.processes import ManagedProcess
from local.shop import RunningShop, open_shop

POLL_SECONDS = 0.2
# The load generator may outlive its phases by this: it starts, and waits for the last answers.
GENERATOR_SECONDS = 60.0
# Idle units of limited stock go back every second, and what an order leaves of its reservation soon after its end.
RETURN_SECONDS = 10.0


class RunFailedError(Exception):
    """A run could not be measured; the message says what ended and holds the end of its log."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Where a run is, for the progress line. The counts are those of one moment, `at`: the latest sample's."""

    scenario: Scenario
    stage: str
    elapsed_seconds: float
    at: float = 0.0
    accepted: int = 0
    completed: int = 0

    @property
    def backlog(self) -> int:
        """Accepted and, as far as the payment provider knows, not yet paid."""
        return max(0, self.accepted - self.completed)


Watch = Callable[[Moment], None]


async def run_scenario(scenario: Scenario, *, emulator: RunningEmulator, folder: Path, watch: Watch) -> RunRecords:
    """Measure one scenario and write its records into `folder`. Raises RunFailedError, or what its parts raise."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    watch(Moment(scenario=scenario, stage="starting", elapsed_seconds=0))
    async with (
        open_shop(shop_plan(scenario), emulator=emulator, folder=folder / "logs") as shop,
        probes(shop) as asked,
        processor_tasks(shop, folder / "logs") as tasks,
    ):
        run = _ScenarioRun(scenario, shop, asked, tasks, LoadFiles(folder=folder), watch)
        records = await run.measure()
    await asyncio.to_thread(write_records, folder, records)
    return records


class _ScenarioRun:
    def __init__(  # a run has this many parts
        self,
        scenario: Scenario,
        shop: RunningShop,
        asked: Probes,
        tasks: ProcessorTasks,
        files: LoadFiles,
        watch: Watch,
    ) -> None:
        self._scenario = scenario
        self._shop = shop
        self._asked = asked
        self._tasks = tasks
        self._files = files
        self._watch = watch
        self._started = time.monotonic()
        self._scaling: asyncio.Task[None] | None = None
        files.journal.unlink(missing_ok=True)
        self._journal = JournalReader(files.journal)
        self._sampler = Sampler(probes=asked, processes=_processes(shop), processor_urls=tasks.urls)
        tasks.on_ready = self._sampler.watch

    async def measure(self) -> RunRecords:
        self._scaling = asyncio.create_task(self._scale(), name="scaling")
        try:
            async with sampling(self._sampler):
                await self._load()
                drained = await self._drain()
        finally:
            self._scaling.cancel()
            await asyncio.wait({self._scaling})
        # The processors finish what they hold; from here on nothing moves.
        await self._tasks.aclose()
        if self._shop.processor is not None:
            await self._shop.processor.aclose()
        if self._asked.has_stock:
            await self._sampler.take()
        return await self._collect(stopped_early=not drained)

    async def _scale(self) -> None:
        """Follow the scenario's schedule, from the first phase's beginning on."""
        if not self._scenario.tasks:
            return
        while not self._journal.phase:  # noqa: ASYNC110  # written by another process
            await asyncio.sleep(POLL_SECONDS)
        await self._tasks.follow(self._scenario.tasks, began=self._journal.began)

    async def _load(self) -> None:
        generator = load_process(self._scenario, self._files, url=self._shop.api_url)
        write_plan(self._scenario, self._files, url=self._shop.api_url)
        async with generator:
            self._sampler.watch("load generator", generator.pid)
            limit = time.monotonic() + self._scenario.load_seconds + self._scenario.line_seconds + GENERATOR_SECONDS
            while generator.returncode is None:
                self._report("")
                self._ensure_alive()
                if time.monotonic() > limit:
                    raise RunFailedError(f"the load generator does not end\n{generator.log_tail()}")
                await asyncio.sleep(POLL_SECONDS)
            if generator.returncode != 0:
                raise RunFailedError(f"the load generator ended with {generator.returncode}\n{generator.log_tail()}")
        self._journal.poll()
        if not self._journal.requests:
            raise RunFailedError(f"the load generator placed no order\n{generator.log_tail()}")

    async def _drain(self) -> bool:
        """Wait until every accepted order is terminal; False when the limit came first."""
        limit = time.monotonic() + self._scenario.drain_limit_seconds
        _, requests = read_journal(self._files.journal, self._scenario)
        accepted = {request.order_id for request in requests if request.is_accepted}
        while time.monotonic() < limit:
            self._report("drain")
            self._ensure_alive()
            sample = self._sampler.latest
            # The table is only scanned when the provider has seen every order: a scan costs the emulator much.
            if sample.charges >= len(accepted) and accepted <= _terminal(await self._asked.orders()):
                await self._units_return()
                await self._sampler.take()
                return True
            await asyncio.sleep(POLL_SECONDS)
        return accepted <= _terminal(await self._asked.orders())

    async def _units_return(self) -> None:
        """Wait for a sample without a reserved unit; units that stay reserved are left to the checks."""
        ended = time.time()
        while self._asked.has_stock and time.time() < ended + RETURN_SECONDS:
            if self._sampler.latest.at > ended and self._sampler.reserved == 0:
                return
            self._report("drain")
            self._ensure_alive()
            await asyncio.sleep(POLL_SECONDS)

    async def _collect(self, *, stopped_early: bool) -> RunRecords:
        self._report("collecting")
        phases, requests = read_journal(self._files.journal, self._scenario)
        accepted, rejected = await self._asked.api_counts()
        ending = Ending(
            at=time.time(),
            queued=sum(await self._asked.depth()),
            dead_letters=await self._asked.dead_letters(),
            server_accepted=accepted,
            server_rejected=rejected,
            stopped_early=stopped_early,
        )
        return RunRecords(
            phases=phases,
            requests=requests,
            orders=await self._asked.orders(),
            charges=await self._asked.charges(),
            # Two that were taken at the same time may have ended in another order.
            samples=sorted(self._sampler.samples, key=lambda sample: sample.at),
            processes=self._sampler.process_samples,
            cold_starts=await self._asked.cold_starts(),
            invocations=await self._asked.invocations(),
            workers=self._tasks.changes,
            stock=self._sampler.stock_samples,
            ending=ending,
        )

    def _report(self, stage: str) -> None:
        self._journal.poll()
        sample = self._sampler.latest
        self._watch(
            Moment(
                scenario=self._scenario,
                stage=stage or self._journal.phase or "starting",
                elapsed_seconds=time.monotonic() - self._started,
                at=sample.at,
                # What was accepted after the sample is not yet among its charges either.
                accepted=self._journal.accepted_until(sample.at),
                completed=sample.charges,
            )
        )

    def _ensure_alive(self) -> None:
        self._sampler.check()
        if self._scaling is not None and self._scaling.done():
            self._scaling.result()
        parts: list[ManagedProcess | None] = [self._shop.api, self._shop.processor, self._shop.gateway]
        for part in parts:
            if part is not None and part.returncode is not None:
                raise RunFailedError(f"the {part.name} ended with {part.returncode}\n{part.log_tail()}")


def _terminal(orders: list[Order]) -> set[str]:
    return {order.order_id for order in orders if order.is_terminal}


def _processes(shop: RunningShop) -> dict[str, int]:
    pids = {"order API": shop.api.pid, "payment gateway": shop.gateway.pid, EMBEDDED_AWS: shop.emulator.pid}
    return pids | ({"order processor": shop.processor.pid} if shop.processor is not None else {})
