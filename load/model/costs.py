"""What a month costs in each arm, line by line, each line with its formula; money is exact decimals."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Literal, get_args

from load.model.prices import FreeKey, PriceKey, Prices

Arm = Literal["sync", "ecs", "lambda", "lambda-sqs"]
ARMS: tuple[Arm, ...] = get_args(Arm)
HOURS_PER_MONTH = Decimal(730)
SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600
_MILLION = Decimal(1_000_000)
_SHOWN = Decimal("0.000001")
_MB_PER_GB = Decimal(1024)
_KB_PER_GB = Decimal(1024 * 1024)
# SQS gives and deletes no more messages in one request.
_MOST_MESSAGES_IN_REQUEST = Decimal(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleTasks:
    """Tasks that run beside those of ordinary days, `hours` long, and settle `orders` of the month's."""

    orders: int
    hours: Decimal
    api_tasks: int
    processor_tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """How much of everything an order takes; replace what was measured.

    Tasks run all month. orders_per_publish is a mean batch size, and so are messages_per_receive and
    messages_per_delete of the ecs arm's own consumer. cold_share: invocations that initialise.
    orders_per_invocation: mean batch of lambda-sqs, whose payments run side by side in one invocation; 1, the dearest,
    until a batch was measured. AWS receives and deletes that batch, at most ten messages in a request.
    traffic_kb_per_order passes the load balancer, egress_kb_per_order the NAT gateway (to the payment provider).
    confirmed_share: orders that end completed. sale: what runs for one beside the tasks of the month.
    """

    architecture: Literal["arm64", "x86_64"] = "arm64"
    free_tier: bool = True
    api_tasks: int = 2
    processor_tasks: int = 1
    task_vcpu: Decimal = Decimal("0.25")
    task_gb: Decimal = Decimal("0.5")
    workers_per_task: int = 100
    load_balancers: int = 1
    nat_gateways: int = 1
    public_addresses: int = 3
    payment_seconds: Decimal = Decimal(3)
    overhead_seconds: Decimal = Decimal("0.015")
    function_memory_mb: int = 512
    init_seconds: Decimal = Decimal("0.5")
    cold_share: Decimal = Decimal("0.01")
    orders_per_invocation: Decimal = Decimal(1)
    orders_per_publish: Decimal = Decimal(1)
    messages_per_receive: Decimal = Decimal(1)
    messages_per_delete: Decimal = Decimal(1)
    idle_pollers: int = 5
    # Claim and record, each in the table and in the index of unsettled orders.
    writes_per_order: Decimal = Decimal(4)
    reads_per_order: Decimal = Decimal(1)
    log_kb_per_order: Decimal = Decimal(2)
    traffic_kb_per_order: Decimal = Decimal(4)
    egress_kb_per_order: Decimal = Decimal(8)
    confirmed_share: Decimal = Decimal(1)
    sale: SaleTasks | None = None

    def __post_init__(self) -> None:
        if not self.orders_per_invocation >= 1:
            raise ValueError(f"orders_per_invocation: must be at least 1, not {self.orders_per_invocation}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLine:
    """One item of the bill: `amount` = what `formula` says; `working` says where its quantity comes from."""

    item: str
    working: str
    formula: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """A month's bill for `orders` accepted orders."""

    arm: Arm
    orders: int
    lines: tuple[CostLine, ...]
    total: Decimal
    confirmed_orders: Decimal
    per_confirmed_order: Decimal | None
    formula: str


def monthly_cost(arm: Arm, orders: int, prices: Prices, assumptions: Assumptions | None = None) -> Cost:
    """The bill of one arm for `orders` accepted orders a month.

    Raises:
        ValueError: `orders` is negative.
    """
    if orders < 0:
        raise ValueError("orders: must not be negative")
    bill = _Bill(prices, assumptions or Assumptions(), orders)
    bill.shared()
    _ARM_LINES[arm](bill)
    total = sum((line.amount for line in bill.lines), Decimal(0))
    confirmed = orders * bill.assumed.confirmed_share
    return Cost(
        arm=arm,
        orders=orders,
        lines=tuple(bill.lines),
        total=total,
        confirmed_orders=confirmed,
        per_confirmed_order=total / confirmed if confirmed else None,
        formula=f"${total:.6f} ÷ ({orders:,} orders × {bill.assumed.confirmed_share} confirmed)",
    )


def tasks_needed(orders: int, assumed: Assumptions) -> int:
    """Processor tasks that the orders of ordinary days keep busy, at least the ones that always run."""
    ordinary = orders - (assumed.sale.orders if assumed.sale else 0)
    slot_seconds = ordinary * (assumed.payment_seconds + assumed.overhead_seconds)
    busy = slot_seconds / (assumed.workers_per_task * SECONDS_PER_MONTH)
    return max(assumed.processor_tasks, int(busy.to_integral_value(ROUND_CEILING)))


class _Bill:
    """Lines in the making."""

    def __init__(self, prices: Prices, assumed: Assumptions, orders: int) -> None:
        self.assumed = assumed
        self.lines: list[CostLine] = []
        self._prices = prices
        self._orders = Decimal(orders)

    def shared(self) -> None:
        """What every arm has: the API behind its load balancer, the way out, the tables, the logs."""
        assumed = self.assumed
        self._tasks("API tasks", assumed.api_tasks)
        if assumed.sale and assumed.sale.api_tasks:
            self._tasks("API tasks of the sale", assumed.sale.api_tasks, assumed.sale.hours)
        self._hours("load balancer", assumed.load_balancers, PriceKey.ALB)
        self._gigabytes("load balancer capacity", assumed.traffic_kb_per_order, PriceKey.ALB_LCU)
        self._hours("NAT gateways", assumed.nat_gateways, PriceKey.NAT)
        if assumed.nat_gateways:
            self._gigabytes("NAT traffic", assumed.egress_kb_per_order, PriceKey.NAT_GB)
        self._hours("public addresses", assumed.public_addresses, PriceKey.PUBLIC_IPV4)
        for item, count, key in (
            ("table writes", assumed.writes_per_order, PriceKey.DYNAMODB_WRITES),
            ("table reads", assumed.reads_per_order, PriceKey.DYNAMODB_READS),
        ):
            self._millions(item, self._orders * count, f"{self._orders:,f} orders × {count}", key)
        self._gigabytes("logs", assumed.log_kb_per_order, PriceKey.LOGS, FreeKey.LOGS_GB)

    def processor(self) -> None:
        self._tasks("processor tasks", tasks_needed(int(self._orders), self.assumed))
        if (sale := self.assumed.sale) and sale.processor_tasks:
            self._tasks("processor tasks of the sale", sale.processor_tasks, sale.hours)

    def topic(self) -> None:
        batch = self.assumed.orders_per_publish
        working = f"{self._orders:,f} orders ÷ {batch} in a publish"
        self._millions("publishes", self._orders / batch, working, PriceKey.SNS, FreeKey.SNS)

    def queue(self, *, per_receive: Decimal, per_delete: Decimal) -> None:
        """Send, receive and delete of every message, and the long polls of 20 s that find nothing."""
        assumed = self.assumed
        per_order = 1 + 1 / per_receive + 1 / per_delete
        polls = assumed.idle_pollers * SECONDS_PER_MONTH / 20
        working = (
            f"{self._orders:,f} orders × (1 + 1/{per_receive} + 1/{per_delete}) "
            f"+ {assumed.idle_pollers} pollers × {SECONDS_PER_MONTH:,f} s ÷ 20 s"
        )
        count = self._orders * per_order + polls
        self._millions("queue requests", count, working, PriceKey.SQS, FreeKey.SQS)

    def function(self, orders_per_invocation: Decimal) -> None:
        """GB-seconds of payment, overhead and billed INIT, and the requests; orders of a batch share them."""
        assumed = self.assumed
        invocations = self._orders / orders_per_invocation
        seconds = assumed.payment_seconds + assumed.overhead_seconds + assumed.cold_share * assumed.init_seconds
        gb_seconds = invocations * seconds * assumed.function_memory_mb / _MB_PER_GB
        arm = assumed.architecture == "arm64"
        key = PriceKey.LAMBDA_ARM if arm else PriceKey.LAMBDA_X86
        called = f"{self._orders:,f} orders ÷ {orders_per_invocation} in an invocation"
        working = (
            f"{called} × ({assumed.payment_seconds} + {assumed.overhead_seconds} + {assumed.cold_share} × "
            f"{assumed.init_seconds} s) × {assumed.function_memory_mb}/1024 GB"
        )
        self._line("function duration", gb_seconds, "GB-s", working, key, FreeKey.LAMBDA_GB_SECONDS)
        self._millions("function requests", invocations, called, PriceKey.LAMBDA_REQUESTS, FreeKey.LAMBDA_REQUESTS)

    def _tasks(self, item: str, tasks: int, hours: Decimal = HOURS_PER_MONTH) -> None:
        assumed = self.assumed
        arm = assumed.architecture == "arm64"
        vcpu = self._prices.price[PriceKey.FARGATE_ARM_VCPU if arm else PriceKey.FARGATE_X86_VCPU].amount
        memory = self._prices.price[PriceKey.FARGATE_ARM_GB if arm else PriceKey.FARGATE_X86_GB].amount
        hourly = assumed.task_vcpu * vcpu + assumed.task_gb * memory
        each = f"({assumed.task_vcpu} vCPU × ${vcpu} + {assumed.task_gb} GB × ${memory})"
        runs = "runs all month" if hours == HOURS_PER_MONTH else "runs for the sale"
        self._fixed(item, f"{tasks} × {hours} h × {each}", tasks * hours * hourly, runs)

    def _hours(self, item: str, count: int, key: PriceKey) -> None:
        price = self._prices.price[key].amount
        self._fixed(item, f"{count} × {HOURS_PER_MONTH} h × ${price}", count * HOURS_PER_MONTH * price)

    def _fixed(self, item: str, formula: str, amount: Decimal, working: str = "runs all month") -> None:
        self.lines.append(CostLine(item=item, working=working, formula=formula, amount=amount))

    def _gigabytes(self, item: str, kilobytes_per_order: Decimal, key: PriceKey, free: FreeKey | None = None) -> None:
        quantity = self._orders * kilobytes_per_order / _KB_PER_GB
        working = f"{self._orders:,f} orders × {kilobytes_per_order} KB ÷ {_KB_PER_GB:,f}"
        self._line(item, quantity, "GB", working, key, free)

    def _millions(self, item: str, count: Decimal, working: str, key: PriceKey, free: FreeKey | None = None) -> None:
        self._line(item, count, "÷ 1,000,000", working, key, free, divisor=_MILLION)

    def _line(
        self,
        item: str,
        quantity: Decimal,
        unit: str,
        working: str,
        key: PriceKey,
        free: FreeKey | None = None,
        *,
        divisor: Decimal = Decimal(1),
    ) -> None:
        price = self._prices.price[key].amount
        given = self._prices.free[free] if free is not None and self.assumed.free_tier else Decimal(0)
        billed = max(Decimal(0), quantity - given)
        shown = f"{quantity.quantize(_SHOWN).normalize():,f}"
        counted = f"max(0, {shown} - {given:,f} free)" if given else shown
        self.lines.append(
            CostLine(
                item=item,
                working=working,
                formula=f"{counted} {unit} × ${price}",
                amount=billed / divisor * price,
            )
        )


def _sync(_bill: _Bill) -> None:
    """The API settles inside the request: nothing beyond what is shared."""


def _ecs(bill: _Bill) -> None:
    bill.processor()
    bill.topic()
    bill.queue(per_receive=bill.assumed.messages_per_receive, per_delete=bill.assumed.messages_per_delete)


def _lambda(bill: _Bill) -> None:
    bill.topic()
    bill.function(Decimal(1))


def _lambda_sqs(bill: _Bill) -> None:
    batch = bill.assumed.orders_per_invocation
    in_request = min(batch, _MOST_MESSAGES_IN_REQUEST)
    bill.topic()
    bill.queue(per_receive=in_request, per_delete=in_request)
    bill.function(batch)


_ARM_LINES: dict[Arm, Callable[[_Bill], None]] = {
    "sync": _sync,
    "ecs": _ecs,
    "lambda": _lambda,
    "lambda-sqs": _lambda_sqs,
}
