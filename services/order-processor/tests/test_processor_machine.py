"""Whole processors die, stop and lose messages at any await: hypothesis looks for an order that comes out wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from prometheus_client import CollectorRegistry

from flashbus.queue import QueueUnavailableError
from flashbus.testing import FakeQueue, loop_time
from flashmsg import OrderPlaced, OrderStatus, encode
from flashpay import Approved, GatewayUnavailableError, LedgerUnavailableError, OpenStock
from flashpay.testing import FakeGateway, FakeStock, MemoryLedger, Reply, sample_order, sample_reservation
from flashpay.testing.orders import START
from flashstock.errors import StockUnavailableError
from order_processor.app import build_consumer
from order_processor.connections import Connections
from order_processor.settings import Settings
from order_processor.testing import VirtualTimeLoop

pytestmark = pytest.mark.long

NAMES = ("one", "two", "three", "four")
UNITS = 2 * len(NAMES)
ROUND_TRIP_SECONDS = 0.01
AT_REST_SECONDS = 3_600
LOST: dict[str, Callable[..., Exception]] = {
    "queue": QueueUnavailableError,
    "dead": QueueUnavailableError,
    "ledger": LedgerUnavailableError,
    "gateway": GatewayUnavailableError,
    "stock": StockUnavailableError,
}
CALLS = (
    *("queue.receive", "queue.delete_batch", "queue.change_visibility", "dead.send"),
    *("ledger.claim", "ledger.record", "ledger.release", "ledger.fail", "ledger.get"),
    *("gateway.charge", "gateway.lookup", "stock.settle"),
)
PLACES = st.sampled_from([f"{call}.{side}" for call in CALLS for side in ("called", "done")])
SETTINGS = Settings.from_environment(
    {
        "QUEUE_URL": "fake:queue",
        "DEAD_LETTER_QUEUE_URL": "fake:dead",
        "ORDERS_TABLE": "orders",
        "GATEWAY_URL": "http://gateway.test",
        "WORKERS": "3",
        "VISIBILITY_SECONDS": "5",
        "LEASE_SECONDS": "3",
        "PAYMENT_TIMEOUT_SECONDS": "1",
        "PATIENCE_SECONDS": "10",
        "WAIT_SECONDS": "1",
        "MAX_RECEIVES": "8",
        "BREAKER_THRESHOLD": "3",
        "BREAKER_COOL_DOWN_SECONDS": "1",
    }
)


class DeathError(BaseException):
    """Not caught by anything, like the end of the process."""


class Process:
    """One processor. When it is dead, no call of it arrives any more, whatever its code still tries."""

    def __init__(self, machine: "ProcessorMachine") -> None:
        self.dead = False
        self.stop = asyncio.Event()
        self._machine = machine
        consumer = build_consumer(
            SETTINGS, connections=self._connections(), registry=CollectorRegistry(), stop=self.stop, clock=now
        )
        self.task = asyncio.create_task(consumer.run(), name="consumer")

    def die(self) -> None:
        self.dead = True
        self.task.cancel()

    async def pass_by(self, place: str) -> None:
        await asyncio.sleep(ROUND_TRIP_SECONDS)
        if self._machine.deaths.pop(place, None):
            self.die()
        if self.dead:
            raise DeathError
        if self._machine.losses.pop(place, None):
            raise LOST[place.partition(".")[0]]("lost on the way", reason="connection")

    def _connections(self) -> Connections:
        machine = self._machine
        return Connections(
            queue=Line(machine.queue, "queue", self.pass_by),
            dead_letter_queue=Line(machine.dead_letters, "dead", self.pass_by),
            ledger=Line(machine.ledger, "ledger", self.pass_by),
            gateway=Line(machine.gateway, "gateway", self.pass_by),
            stock=OpenStock(
                endings=Line(machine.stock, "stock", self.pass_by),
                limits=machine.stock.opened.limits,
            ),
        )


class Line:
    """Between a process and a part: every call passes two places, on its way there and back."""

    def __init__(self, part: object, name: str, pass_by: Callable[[str], Awaitable[None]]) -> None:
        self._part = part
        self._name = name
        self._pass_by = pass_by

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the part has
        call = getattr(self._part, name)

        async def travel(*arguments: object, **named: object) -> object:
            await self._pass_by(f"{self._name}.{name}.called")
            answer = await call(*arguments, **named)
            await self._pass_by(f"{self._name}.{name}.done")
            return answer

        return travel


def now() -> datetime:
    """The wall clock follows the loop's."""
    return START + timedelta(seconds=loop_time())


class ProcessorMachine(RuleBasedStateMachine):
    """Runs up to three processors over one queue, in virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=VirtualTimeLoop)
        # The dead leave exceptions behind that nobody asks for.
        self.runner.get_loop().set_exception_handler(lambda _loop, _context: None)
        self.deaths: dict[str, bool] = {}
        self.losses: dict[str, bool] = {}
        self.placed: set[str] = set()
        self.final: dict[str, OrderStatus] = {}
        self.processes: list[Process] = []
        self.runner.run(self._set_up())

    async def _set_up(self) -> None:
        self.queue, self.dead_letters = FakeQueue(), FakeQueue()
        self.ledger, self.gateway, self.stock = MemoryLedger(clock=now), FakeGateway(), FakeStock()
        self.gateway.latency = timedelta(seconds=0.5)
        await self.stock.set_up(total=UNITS, reserved=UNITS)

    # What can happen

    @rule(name=st.sampled_from(NAMES))
    def send(self, name: str) -> None:
        """An order's message comes, the first time or once more."""
        event = OrderPlaced.of(sample_order(name), reservation=sample_reservation(name))
        self.placed.add(sample_order(name).order_id)
        self.runner.run(self.queue.send(encode(event), attributes={}))

    @precondition(lambda self: len(self.processes) < 3)
    @rule()
    def start(self) -> None:
        async def begin() -> None:
            self.processes.append(Process(self))

        self.runner.run(begin())

    @precondition(lambda self: self.processes)
    @rule()
    def kill(self) -> None:
        self.processes[0].die()
        self.runner.run(self._reap())

    @precondition(lambda self: self.processes)
    @rule()
    def stop(self) -> None:
        self.processes[0].stop.set()

    @rule(place=PLACES)
    def die_at(self, place: str) -> None:
        self.deaths[place] = True

    @rule(place=PLACES)
    def lose_at(self, place: str) -> None:
        self.losses[place] = True

    @rule(reply=st.sampled_from([Reply.DECLINE, Reply.FAIL, Reply.LOSE]))
    def plan_a_reply(self, reply: Reply) -> None:
        self.gateway.plan(reply)

    @rule(seconds=st.sampled_from([0.1, 0.6, 2, 6]))
    def let_time_pass(self, seconds: float) -> None:
        self.runner.run(asyncio.sleep(seconds))
        self.runner.run(self._reap())

    # What must hold after every step

    @invariant()
    def nobody_is_charged_twice(self) -> None:
        assert all(self.gateway.charged(sample_order(name).order_id) <= 1 for name in NAMES)

    @invariant()
    def an_answered_order_never_changes_again(self) -> None:
        for order_id, entry in self.ledger.entries.items():
            if entry.status in {OrderStatus.COMPLETED, OrderStatus.DECLINED}:
                assert self.final.setdefault(order_id, entry.status) is entry.status
            else:
                assert order_id not in self.final

    def teardown(self) -> None:
        try:
            self._everything_comes_right()
        finally:
            self.runner.close()
        super().teardown()

    # How it is done

    def _everything_comes_right(self) -> None:
        self.deaths.clear()
        self.losses.clear()
        self.runner.run(self._at_rest())
        self.nobody_is_charged_twice()
        self.an_answered_order_never_changes_again()
        # Whoever saw a message fail for the last time has put it where a person finds it.
        letters = [stored.body for stored in self.dead_letters.stored.values()]
        for order_id in self.placed:
            entry = self.ledger.entries[order_id]
            if not self._ended_rightly(order_id):
                assert any(order_id in body for body in letters), entry
            if self.gateway.charged(order_id):
                assert entry.status in {OrderStatus.COMPLETED, OrderStatus.PROCESSING}
        sold = sum(status is OrderStatus.COMPLETED for status in self._statuses().values())
        assert self.runner.run(self.stock.level())[2] == 2 * sold

    async def _at_rest(self) -> None:
        """One more process works everything off; a while later nothing is left in the queue."""
        self.processes.append(Process(self))
        async with asyncio.timeout(AT_REST_SECONDS):
            while self.queue.stored:  # noqa: ASYNC110 - in virtual time a look costs no waiting
                await asyncio.sleep(1)
        for process in self.processes:
            process.stop.set()
        await asyncio.wait([process.task for process in self.processes])

    def _ended_rightly(self, order_id: str) -> bool:
        answer = self.gateway.answers.get(order_id)
        status = self._statuses()[order_id]
        if status is OrderStatus.COMPLETED:
            return answer is not None and isinstance(answer.result, Approved)
        return status is OrderStatus.DECLINED and answer is not None

    def _statuses(self) -> dict[str, OrderStatus]:
        return {order_id: entry.status for order_id, entry in self.ledger.entries.items()}

    async def _reap(self) -> None:
        await asyncio.sleep(0)
        self.processes = [process for process in self.processes if not process.task.done()]


ProcessorMachine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestProcessorMachine = ProcessorMachine.TestCase
