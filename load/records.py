"""What a run leaves behind: requests, orders, charges, samples, marks. Times are epoch seconds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from load.rows import Count, Number, RecordsError, read_rows, write_rows
from load.scenario import Phase, Scenario, first_error

ACCEPTED_STATUSES = frozenset({200, 202})
TERMINAL = frozenset({"completed", "declined", "sold_out", "failed", "cancelled", "refunded"})
PAID = frozenset({"completed", "refunding", "refunded"})
CHARGED = "succeeded"
# The problem types of a refusal that lost nobody an order: there was none to be had.
SOLD_OUT = "urn:flash-sale:problem:sold-out"
LIMIT_REACHED = "urn:flash-sale:problem:limit-reached"
# Names of processes in ProcessSample.
EMBEDDED_AWS = "embedded AWS"
PROCESSOR = "order processor"
FUNCTIONS = "function environments"
# What was predicted before the run.
PREDICTED = "predicted.json"
# A run's folder holds this file when the run was measured to its end.
FINISHED = "finished.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One order as the load generator saw it.

    `due` is when the order was to be sent; in a closed loop that is `sent`. `status` is 0 when no answer came.
    `product` is what was ordered, if it was one line; `problem` the type of the problem that was answered.
    """

    due: Number
    sent: Number
    done: Number
    status: Count
    order_id: str = ""
    order_status: str = ""
    phase: str = ""
    user: Count = 0
    think_seconds: Number = 0.0
    reason: str = ""
    product: str = ""
    problem: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether the shop took the order."""
        return self.status in ACCEPTED_STATUSES and self.order_id != ""

    @property
    def is_sold_out(self) -> bool:
        """Whether the shopper was told that there are no units left."""
        return self.problem == SOLD_OUT

    @property
    def is_lost(self) -> bool:
        """Whether the shop failed to take an order that it had the units for."""
        return not self.is_accepted and self.problem not in {SOLD_OUT, LIMIT_REACHED}

    @property
    def latency_seconds(self) -> float:
        """From the moment due to the answer."""
        return self.done - self.due


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One order as the ledger holds it at the end of the run."""

    order_id: str
    status: str
    created_at: Number = 0.0
    completed_at: Number = 0.0
    charge_id: str = ""
    total_minor: Count = 0
    attempt: Count = 1
    reason: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in TERMINAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """One answer of the payment provider, from its own ledger."""

    order_id: str
    charge_id: str
    status: str
    started_at: Number = 0.0
    finished_at: Number = 0.0
    attempts: Count = 1
    amount_minor: Count = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The state of the shop at one second; the payment provider had counted `until` then, 0 if that was not noted."""

    at: Number
    until: Number = 0.0
    visible: Count = 0
    in_flight: Count = 0
    slots_busy: Number = 0.0
    charging: Count = 0
    waiting: Count = 0
    charges: Count = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StockSample:
    """The counters of one limited product at the moment of a sample: total = available + reserved + sold."""

    at: Number
    product: str
    total: int
    available: int
    reserved: int
    sold: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessSample:
    """What one process uses: percent of one core, bytes of memory."""

    at: Number
    process: str
    cpu_percent: Number
    rss_bytes: Count


@dataclass(frozen=True, kw_only=True, slots=True)
class ColdStart:
    """A function's start: process start → ready."""

    at: Number
    init_seconds: Number


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One function invocation as the platform bills it; `memory_mb` is the most that it used."""

    at: Number
    billed_seconds: Number
    memory_mb: Count
    duration_seconds: Number


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkersSet:
    """From this moment on, this many workers serve."""

    at: Number
    workers: Count


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseMark:
    """When a phase really began and ended, and when its users were complete."""

    name: str
    arrivals: str
    users: Count
    rate: Number
    started: Number
    full: Number
    ended: Number

    @classmethod
    def of(cls, phase: Phase, *, started: float, full: float, ended: float) -> Self:
        """What there is to say of a phase of a scenario."""
        return cls(
            name=phase.name,
            arrivals=phase.arrivals.value,
            users=phase.users,
            rate=phase.rate,
            started=started,
            full=full,
            ended=ended,
        )

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.ended - self.started


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What independent witnesses say at the end of the run; `stopped_early` means that the drain limit ended it."""

    at: Number
    queued: Count
    dead_letters: Count
    server_accepted: Count
    server_rejected: Count
    stopped_early: bool


@dataclass(frozen=True, kw_only=True)
class RunRecords:
    """Everything measured in one run."""

    phases: Sequence[PhaseMark]
    requests: Sequence[Request]
    orders: Sequence[Order]
    charges: Sequence[Charge]
    samples: Sequence[Sample]
    processes: Sequence[ProcessSample]
    cold_starts: Sequence[ColdStart]
    ending: Ending
    invocations: Sequence[Invocation] = ()
    workers: Sequence[WorkersSet] = ()
    stock: Sequence[StockSample] = ()

    @property
    def started(self) -> float:
        """The beginning of the first phase."""
        return min(phase.started for phase in self.phases)

    def phase(self, name: str) -> PhaseMark | None:
        """When the phase of this name was; None when it was not reached."""
        return next((phase for phase in self.phases if phase.name == name), None)

    @property
    def load_ended(self) -> float:
        """The end of the last phase."""
        return max(phase.ended for phase in self.phases)


def run_folder(experiment: Path, folder_name: str) -> Path:
    """Where an experiment keeps what a run left behind."""
    return experiment / "runs" / folder_name


def finished_run(experiment: Path, scenario: Scenario) -> RunRecords | None:
    """The records of a finished run of exactly this scenario; None when there is none in the experiment's folder.

    Raises RecordsError.
    """
    folder = run_folder(experiment, scenario.folder_name)
    if not (folder / FINISHED).exists() or finished_scenario(folder) != scenario:
        return None
    return read_records(folder)


def finished_scenario(folder: Path) -> Scenario:
    """What was run to its end here. Raises RecordsError."""
    try:
        return Scenario.model_validate_json((folder / FINISHED).read_bytes())
    except ValidationError as exc:
        raise RecordsError(f"{folder / FINISHED}: {first_error(exc)}") from exc


def write_records(folder: Path, records: RunRecords) -> None:
    """Write the records as tidy CSV files, one kind of row per file, and `ending.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "phases.csv", PhaseMark, records.phases)
    write_rows(folder / "requests.csv", Request, records.requests)
    write_rows(folder / "orders.csv", Order, records.orders)
    write_rows(folder / "charges.csv", Charge, records.charges)
    write_rows(folder / "samples.csv", Sample, records.samples)
    if records.stock:
        write_rows(folder / "stock.csv", StockSample, records.stock)
    write_rows(folder / "processes.csv", ProcessSample, records.processes)
    write_rows(folder / "cold_starts.csv", ColdStart, records.cold_starts)
    write_rows(folder / "invocations.csv", Invocation, records.invocations)
    write_rows(folder / "workers.csv", WorkersSet, records.workers)
    (folder / "ending.json").write_text(json.dumps(asdict(records.ending), indent=1) + "\n", encoding="utf-8")


def read_records(folder: Path) -> RunRecords:
    """Read what write_records() wrote. Raises RecordsError."""
    stock, phases = folder / "stock.csv", read_rows(folder / "phases.csv", PhaseMark)
    if not phases:
        raise RecordsError(f"{folder / 'phases.csv'}: there is no phase")
    return RunRecords(
        phases=phases,
        requests=read_rows(folder / "requests.csv", Request),
        orders=read_rows(folder / "orders.csv", Order),
        charges=read_rows(folder / "charges.csv", Charge),
        samples=read_rows(folder / "samples.csv", Sample),
        processes=read_rows(folder / "processes.csv", ProcessSample),
        cold_starts=read_rows(folder / "cold_starts.csv", ColdStart),
        invocations=read_rows(folder / "invocations.csv", Invocation),
        workers=read_rows(folder / "workers.csv", WorkersSet),
        stock=read_rows(stock, StockSample) if stock.exists() else [],
        ending=_read_ending(folder / "ending.json"),
    )


def _read_ending(path: Path) -> Ending:
    try:
        return TypeAdapter(Ending).validate_json(path.read_bytes())
    except OSError as exc:
        raise RecordsError(f"{path}: {exc.strerror}") from exc
    except ValidationError as exc:
        raise RecordsError(f"{path}: {first_error(exc)}") from exc
