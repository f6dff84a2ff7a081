"""Scenarios: what to run, as data."""

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from flashstock.levels import MAX_UNITS
from load.model import LABORATORY_OVERHEAD_SECONDS as OVERHEAD_SECONDS
from load.model import UTILISATION, workers_to_keep_up
from local.catalogue import load_catalogue

# What one more task takes to start, of those that are started together: they share two cores.
TASK_START_SECONDS = 0.45
# The protected shop's defaults, as parts of the time that a shopper of the naive shop waits (30 s).
WAIT_SHARE = 1 / 30
DEADLINE_SHARE = 20 / 30
PROTECTED_LIMIT = 10
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Thinking = Annotated[float, Field(ge=0, le=86_400)]


class ScenarioError(Exception):
    """A scenario file that cannot be used; the message names the file and the field."""


def first_error(exc: ValidationError) -> str:
    """The first field that is wrong, and what is wrong with it."""
    first = exc.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


class Arm(StrEnum):
    """The four paths of an order."""

    SYNC = "sync"
    ECS = "ecs"
    LAMBDA = "lambda"
    LAMBDA_SQS = "lambda-sqs"


class Shop(StrEnum):
    """How the synchronous shop treats a shopper who must wait.

    naive: everybody waits in the payment provider's queue and gets 503 when that takes too long.
    protected: a bounded number of payments, a short wait, then 503 or the queue.
    """

    NAIVE = "naive"
    PROTECTED = "protected"


class Arrivals(StrEnum):
    """How orders arrive in a phase.

    closed: users who wait for their answer, think, and order again (locust).
    burst: every user orders once, at the start (locust).
    constant, poisson: orders are due at their own times, whatever the shop answers (open loop).
    """

    CLOSED = "closed"
    BURST = "burst"
    CONSTANT = "constant"
    POISSON = "poisson"


OPEN_LOOP = frozenset({Arrivals.CONSTANT, Arrivals.POISSON})


class Data(BaseModel):
    """A frozen piece of a scenario file; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Phase(Data):
    """A stretch of load with one character."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    seconds: Seconds
    arrivals: Arrivals = Arrivals.CLOSED
    users: int = Field(default=0, ge=0, le=10_000)
    spawn_rate: float = Field(default=0, ge=0, le=10_000)
    rate: float = Field(default=0, ge=0, le=10_000)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.is_open_loop and self.rate <= 0:
            raise ValueError(f"phase {self.name}: {self.arrivals} arrivals need a rate")
        if not self.is_open_loop and self.users <= 0:
            raise ValueError(f"phase {self.name}: {self.arrivals} arrivals need users")
        return self

    @property
    def is_open_loop(self) -> bool:
        """Whether orders arrive without waiting for answers."""
        return self.arrivals in OPEN_LOOP

    @property
    def spawned_per_second(self) -> float:
        """Users started per second; all at once unless said otherwise."""
        return self.spawn_rate or float(self.users)


def planned_workers(rate: float, payment_seconds: float, overhead_seconds: float = OVERHEAD_SECONDS) -> int:
    """The workers that keep up with `rate` orders per second and are busy UTILISATION of it."""
    return workers_to_keep_up(rate, payment_seconds + overhead_seconds, UTILISATION)


def _default_workers(scenario: dict[str, Any]) -> int:
    """What the planner says of the load that is to be kept up with, where the scenario names one."""
    rate = scenario["keeps_up_with"]
    return 20 if rate is None else planned_workers(rate, scenario["payment_seconds"], scenario["overhead_seconds"])


class Scenario(Data):
    """One run: an arm, what it has to work with, and the load it gets.

    `capacity` is the payment provider's (0: unlimited). `workers` are the processor's slots (ecs) and also the
    slots that pay the orders which a protected synchronous shop hands to the queue.
    `tasks` holds (seconds after the load began, processor tasks of `workers` slots each), changed by hand.
    `overhead_seconds` is a slot's time beside the payment and `task_start_seconds` what each of the tasks that are
    started together adds until all of them serve, as planner and predictions assume them.
    `keeps_up_with` (orders/s) leaves the number of workers to the planner. Adjacent scenarios with the same `together`
    run at the same time. With `stock` (units by product id) there are only so many, and each order is one unit of one
    of `products`: those with stock, unless said otherwise. `stands_for_workers` and `stands_for_payment_seconds` are
    set when time was scaled, `stands_for` (the whole scenario as it is without --quick) when anything was.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9:.-]{0,40}$")
    title: str = Field(min_length=1, max_length=120)
    arm: Arm
    phases: tuple[Phase, ...] = Field(min_length=1, max_length=10)
    shop: Shop = Shop.NAIVE
    payment_seconds: Seconds = 3.0
    capacity: int = Field(default=0, ge=0, le=10_000)
    tasks: tuple[tuple[Annotated[float, Field(ge=0, le=86_400)], Annotated[int, Field(ge=1, le=200)]], ...] = ()
    overhead_seconds: float = Field(default=OVERHEAD_SECONDS, ge=0, le=60)
    task_start_seconds: float = Field(default=TASK_START_SECONDS, ge=0, le=600)
    keeps_up_with: float | None = Field(default=None, gt=0, le=600)
    workers: int = Field(default_factory=_default_workers, ge=0, le=2_000, validate_default=True)
    together: str = ""
    line_seconds: Seconds = 30.0
    think_seconds: tuple[Thinking, Thinking] = (0.1, 0.5)
    drain_limit_seconds: Seconds = 600.0
    seed: int = 1
    stock: dict[str, Annotated[int, Field(ge=0, le=MAX_UNITS)]] = {}
    products: tuple[str, ...] = ()
    stands_for_workers: int | None = None
    stands_for_payment_seconds: float | None = None
    stands_for: "Scenario | None" = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if len({phase.is_open_loop for phase in self.phases}) > 1:
            raise ValueError(f"{self.name}: open-loop and closed-loop phases do not mix in one run")
        if len({phase.name for phase in self.phases}) < len(self.phases):
            raise ValueError(f"{self.name}: two phases have the same name")
        if self.arm is Arm.ECS and self.workers < 1:
            raise ValueError(f"{self.name}: the ecs arm needs workers")
        if list(self.tasks) != sorted(self.tasks, key=lambda change: change[0]):
            raise ValueError(f"{self.name}: tasks must be in the order of their moments")
        if self.tasks and self.arm is not Arm.ECS:
            raise ValueError(f"{self.name}: only the ecs arm has tasks")
        if self.think_seconds[0] > self.think_seconds[1]:
            raise ValueError(f"{self.name}: think_seconds must be [least, most]")
        return self

    @model_validator(mode="after")
    def _on_sale(self) -> Self:
        named = {*self.stock, *self.products}
        if not named:
            return self
        if unknown := sorted(named - {product.product_id for product in load_catalogue()}):
            raise ValueError(f"{self.name}: {', '.join(unknown)}: no such product in the catalogue")
        if len(set(self.products)) < len(self.products):
            raise ValueError(f"{self.name}: products: a product is named twice")
        if self.stock and (unlimited := sorted(set(self.products) - self.stock.keys())):
            raise ValueError(f"{self.name}: products: {', '.join(unlimited)} is ordered but has no stock")
        return self

    def seeded(self, seed: int) -> "Scenario":
        """The same scenario with another seed."""
        true = self.stands_for and self.stands_for.seeded(seed)
        return self.model_copy(update={"seed": seed, "stands_for": true})

    @property
    def is_limited(self) -> bool:
        """Whether what is ordered can be sold out."""
        return bool(self.stock)

    @property
    def ordered_products(self) -> tuple[str, ...]:
        """Of what each order is one unit; empty when shoppers order anything in the catalogue."""
        return self.products or tuple(sorted(self.stock))

    @property
    def units(self) -> int:
        """How many units there are of what is ordered."""
        return sum(self.stock[product] for product in self.ordered_products if self.stock)

    @property
    def is_open_loop(self) -> bool:
        """Whether the load is open loop."""
        return self.phases[0].is_open_loop

    @property
    def load_seconds(self) -> float:
        """How long the load lasts."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def peak_phase(self) -> Phase:
        """The phase with the most load, the rush; the last of several."""
        return max(reversed(self.phases), key=lambda phase: (phase.users, phase.rate))

    @property
    def seconds_before_peak(self) -> float:
        """How long the phases before the rush last."""
        return sum(phase.seconds for phase in self.phases[: self.phases.index(self.peak_phase)])

    @property
    def folder_name(self) -> str:
        """The name as a folder and as a part of a stack's name."""
        return self.name.replace(":", "-").replace(".", "-")

    @property
    def slots(self) -> int:
        """Payments that can be in progress at once; 0 means without limit."""
        if self.arm is Arm.ECS:
            workers = self.workers * max([1, *(tasks for _, tasks in self.tasks)])
            return min(workers, self.capacity) if self.capacity else workers
        return self.capacity


class ScenarioFile(Data):
    """A file of scenarios, in the order in which they run."""

    title: str
    summary: str = ""
    seed: int = 1
    scenarios: tuple[Scenario, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [scenario.folder_name for scenario in self.scenarios]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"scenario names appear twice: {', '.join(sorted(repeated))}")
        return self

    @property
    def names(self) -> list[str]:
        """What the scenarios are called."""
        return [scenario.name for scenario in self.scenarios]

    def seeded(self, seed: int) -> "ScenarioFile":
        """The same scenarios with another seed."""
        return self.model_copy(
            update={
                "seed": seed,
                "scenarios": tuple(one.seeded(seed) for one in self.scenarios),
            }
        )

    def groups(self) -> list[list[Scenario]]:
        """The scenarios in the order of running; those of one group run at the same time."""
        groups: list[list[Scenario]] = []
        for scenario in self.scenarios:
            if groups and scenario.together and groups[-1][-1].together == scenario.together:
                groups[-1].append(scenario)
            else:
                groups.append([scenario])
        return groups

    def only(self, names: list[str]) -> "ScenarioFile":
        """The scenarios whose name is, or starts with, one of `names` (`ecs:20`, `sync`, `sync:naive`)."""

        def chosen(scenario: Scenario) -> bool:
            return any(scenario.name == name or scenario.name.startswith(f"{name}:") for name in names)

        kept = tuple(scenario for scenario in self.scenarios if chosen(scenario))
        if not kept:
            known = ", ".join(scenario.name for scenario in self.scenarios)
            raise ScenarioError(f"no scenario is called {', '.join(names)}; there are: {known}")
        return self.model_copy(update={"scenarios": kept})
