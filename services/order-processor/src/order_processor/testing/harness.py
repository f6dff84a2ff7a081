"""A whole processor joined to fakes on every side."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from flashbus.consumer import Consumer
from flashbus.testing import FakeQueue, loop_time
from flashmsg import Order, OrderPlaced, OrderStatus, PricedLine, encode
from flashops.logs import WriteInfo, write_info
from flashpay import Announcer, Retention
from flashpay.testing import FakeGateway, FakeOutcomes, FakeStock, MemoryLedger
from order_processor.app import build_consumer
from order_processor.connections import Connections
from order_processor.settings import Settings

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_START = datetime(2026, 1, 1, tzinfo=UTC)


def _fields(variables: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in variables.items():
        if name.endswith("_seconds") and isinstance(value, int | float):
            yield name.removesuffix("_seconds"), timedelta(seconds=value)
        else:
            yield name, value


class ProcessorHarness:
    """A processor with queue, ledger, gateway, stock and topic of outcomes in memory, on the event loop's clock.

    Args:
        variables: Settings by their variables in lower case, `drain_seconds=2.0`; unchecked.
    """

    def __init__(self, **variables: object) -> None:
        required = {
            "queue_url": "fake:queue",
            "dead_letter_queue_url": "fake:dead",
            "orders_table": "orders",
            "gateway_url": "http://gateway.test",
        }
        # Unchecked, so that a test may shorten a visibility below the lease.
        self.settings = Settings.model_validate(required).model_copy(update=dict(_fields(variables)))
        self.queue, self.dead = FakeQueue(), FakeQueue()
        self.gateway = FakeGateway()
        self.ledger = MemoryLedger(retention=Retention(announced=True), clock=self.now)
        self.outcomes = FakeOutcomes()
        self.stock = FakeStock()
        self.registry = CollectorRegistry()
        self.stop = asyncio.Event()
        self.write_line: WriteInfo = write_info
        self.consumer: Consumer | None = None
        self._placed = 0

    def now(self) -> datetime:
        """The wall clock of this processor: it starts in 2026 and follows the event loop's time."""
        return _START + timedelta(seconds=loop_time())

    def order(self, *, quantity: int = 1, customer_id: int = 1) -> Order:
        """A new order, placed now."""
        self._placed += 1
        digits, number = "", self._placed
        for _ in range(20):
            number, digit = divmod(number, len(_BASE32))
            digits = _BASE32[digit] + digits
        return Order(
            order_id=f"ord_{digits}",
            customer_id=customer_id,
            items=(PricedLine(product_id="sneaker", quantity=quantity, unit_price_minor=100),),
            currency="USD",
            total_minor=100 * quantity,
            created_at=self.now(),
        )

    async def place(self, count: int = 1, *, traceparent: str | None = None, customer_id: int = 1) -> list[Order]:
        """Put so many new orders on the queue."""
        orders = [self.order(customer_id=customer_id) for _ in range(count)]
        for order in orders:
            await self.queue.send(encode(OrderPlaced.of(order, traceparent=traceparent)), attributes={})
        return orders

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run the processor; the block's end stops it and waits for the drain."""
        self.consumer = build_consumer(
            self.settings,
            connections=self._connections(),
            registry=self.registry,
            stop=self.stop,
            clock=self.now,
            write_line=self.write_line,
        )
        task = asyncio.create_task(self.consumer.run(), name="consumer")
        try:
            yield task
        finally:
            self.stop.set()
            await asyncio.wait([task])
        task.result()

    def _connections(self) -> Connections:
        return Connections(
            queue=self.queue,
            dead_letter_queue=self.dead,
            ledger=self.ledger,
            gateway=self.gateway,
            stock=self.stock.opened,
            announcer=Announcer(ledger=self.ledger, publish=self.outcomes.publish),
        )

    async def until(self, predicate: Callable[[], object], *, seconds: float = 3600) -> float:
        """Wait until `predicate` holds; the time it then is. Raises TimeoutError after `seconds`."""
        async with asyncio.timeout(seconds):
            while not predicate():  # noqa: ASYNC110 - any predicate; in virtual time a look costs no waiting
                await asyncio.sleep(0.005)
        return loop_time()

    def status(self, order: Order) -> OrderStatus:
        """The status of an order in the ledger, pending when it is not there."""
        entry = self.ledger.entries.get(order.order_id)
        return OrderStatus.PENDING if entry is None else entry.status

    def all_are(self, orders: Sequence[Order], status: OrderStatus = OrderStatus.COMPLETED) -> bool:
        """Whether every one of the orders has this status."""
        return all(self.status(order) is status for order in orders)

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric, 0 when it was never touched."""
        return self.registry.get_sample_value(name, labels) or 0.0
