"""What a scenario is: who comes, and what the shop does with them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

# Of a seed and a shopper, the first of whom is 1: how long this one thinks, each time anew.
Thinking = Callable[[int, int], Callable[[], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoop:
    """`users` who send, wait for the answer, think U(min, max) seconds, and send again.

    Users appear as locust's dispatcher spawns them: `floor(spawn_per_second)` (at least one) at a time,
    the first group at once. A request unanswered when the phase ends is not counted as answered.
    `before` is the phase before this one: its users are already shopping when this one begins, and go on.
    `thinking` draws their times between the two bounds.
    """

    users: int
    duration_seconds: float
    spawn_per_second: float = 10.0
    think_min_seconds: float = 0.1
    think_max_seconds: float = 0.5
    before: "ClosedLoop | None" = None
    thinking: Thinking

    @property
    def think_mean_seconds(self) -> float:
        return (self.think_min_seconds + self.think_max_seconds) / 2

    def spawn_times(self) -> tuple[float, ...]:
        """The moment at which each user begins, seconds; below 0 for those of the phase before."""
        group = max(1, int(self.spawn_per_second))
        earlier: tuple[float, ...] = ()
        if self.before is not None:
            earlier = tuple(moment - self.before.duration_seconds for moment in self.before.spawn_times())[: self.users]
        new = range(self.users - len(earlier))
        return (*earlier, *((user // group) * group / self.spawn_per_second for user in new))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLoop:
    """Customers who come at `rate_per_second` whether or not others were answered.

    `moments` are those at which their orders are due, seconds. `poisson` says that they were drawn at random.
    """

    rate_per_second: float
    duration_seconds: float
    poisson: bool = False
    moments: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """`orders` at once, at moment 0."""

    orders: int

    @property
    def duration_seconds(self) -> float:
        return 0.0

    @property
    def moments(self) -> tuple[float, ...]:
        """When each order is due."""
        return (0.0,) * self.orders


Workload = ClosedLoop | OpenLoop | Burst


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """A processor with `workers` slots; `overhead_seconds` is a slot's time per order beside the payment.

    `schedule` holds (moment, workers) pairs: workers changed by hand during the run.
    """

    workers: int
    overhead_seconds: float = 0.015
    schedule: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Environments:
    """Lambda: at most `concurrency` environments, `warm` of them ready; each invocation takes a batch.

    The records of a batch are settled at the same time; the invocation lasts as long as its slowest.
    """

    concurrency: int = 1000
    warm: int = 0
    init_seconds: float = 0.5
    overhead_seconds: float = 0.02
    batch_size: int = 1
    memory_mb: int = 512


Consumer = Slots | Environments


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The order path of one run. Every time is in seconds; 0 means none or unlimited where it can.

    payment_seconds: how long one charge takes once it has begun.
    admission_timeout_seconds: how long a charge waits in the gateway's queue before the gateway turns it away.
        A charge that has begun is always made, whoever still waits for it.
    sync_limit, sync_wait_seconds: requests settled at once inside the API, and how long one waits for that.
    sync_deadline_seconds: from the request's arrival; then 503, and the settlement goes on and keeps its place in the
        limiter.
    accept_seconds: latency of the async intake.
    """

    mode: Literal["sync", "async"]
    payment_seconds: float = 3.0
    gateway_capacity: int = 0
    admission_timeout_seconds: float = 30.0
    sync_overhead_seconds: float = 0.02
    sync_limit: int = 0
    sync_wait_seconds: float = 0.0
    sync_deadline_seconds: float = 0.0
    accept_seconds: float = 0.02
    delivery_seconds: float = 0.05
    consumer: Consumer | None = None

    def __post_init__(self) -> None:
        if self.mode == "async" and self.consumer is None:
            raise ValueError("consumer: an order that is queued needs a consumer")
        if self.payment_seconds < 0:
            raise ValueError("payment_seconds: must not be negative")
