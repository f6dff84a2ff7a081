"""What a run leaves behind: requests, orders, charges, samples, marks. Times are epoch seconds."""

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self, TypeVar

from load.scenario import Phase, Scenario

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

    due: float
    sent: float
    done: float
    status: int
    order_id: str = ""
    order_status: str = ""
    phase: str = ""
    user: int = 0
    think_seconds: float = 0.0
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
    created_at: float = 0.0
    completed_at: float = 0.0
    charge_id: str = ""
    total_minor: int = 0
    attempt: int = 1
    reason: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.status in TERMINAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Charge:
    """One answer of the payment provider, from its own ledger; `amount_minor` is 0 in records that do not have it."""

    order_id: str
    charge_id: str
    status: str
    started_at: float = 0.0
    finished_at: float = 0.0
    attempts: int = 1
    amount_minor: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The state of the shop at one second; the payment provider had counted `until` then, 0 if that was not noted."""

    at: float
    until: float = 0.0
    visible: int = 0
    in_flight: int = 0
    slots_busy: float = 0.0
    charging: int = 0
    waiting: int = 0
    charges: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class StockSample:
    """The counters of one limited product at the moment of a sample: total = available + reserved + sold."""

    at: float
    product: str
    total: int
    available: int
    reserved: int
    sold: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessSample:
    """What one process uses: percent of one core, bytes of memory."""

    at: float
    process: str
    cpu_percent: float
    rss_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ColdStart:
    """A function's start: process start → ready."""

    at: float
    init_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Invocation:
    """One function invocation as the platform bills it.

    `memory_mb` is the most it used; `duration_seconds` is 0 in records that do not have it.
    """

    at: float
    billed_seconds: float
    memory_mb: int
    duration_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkersSet:
    """From this moment on, this many workers serve."""

    at: float
    workers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseMark:
    """When a phase really began and ended, and when its users were complete."""

    name: str
    arrivals: str
    users: int
    rate: float
    started: float
    full: float
    ended: float

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
    """What independent witnesses say at the end of the run.

    The counts are None where the arm has no such witness. `stopped_early` means that the drain limit ended the run.
    """

    at: float
    queued: int | None = None
    dead_letters: int = 0
    server_accepted: int | None = None
    server_rejected: int | None = None
    stopped_early: bool = False


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
    """The records of a finished run of exactly this scenario; None when there is none in the experiment's folder."""
    folder = run_folder(experiment, scenario.folder_name)
    marker = folder / FINISHED
    if not marker.exists() or Scenario.model_validate_json(marker.read_bytes()) != scenario:
        return None
    return read_records(folder)


Row = TypeVar(
    "Row",
    PhaseMark,
    Request,
    Order,
    Charge,
    Sample,
    StockSample,
    ProcessSample,
    ColdStart,
    Invocation,
    WorkersSet,
    Ending,
)


def _write(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    names = [field.name for field in fields(kind)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


_PARSERS = {"float": float, "int": int, "str": str}


def _read(path: Path, kind: type[Row]) -> list[Row]:
    parsers = {field.name: _PARSERS[getattr(field.type, "__name__", str(field.type))] for field in fields(kind)}
    if not path.exists():
        return []  # written by a version that did not know this kind
    with path.open(encoding="utf-8", newline="") as stream:
        return [kind(**{name: parsers[name](text) for name, text in row.items()}) for row in csv.DictReader(stream)]


def write_records(folder: Path, records: RunRecords) -> None:
    """Write the records as tidy CSV files, one kind of row per file, and `ending.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "phases.csv", PhaseMark, records.phases)
    _write(folder / "requests.csv", Request, records.requests)
    _write(folder / "orders.csv", Order, records.orders)
    _write(folder / "charges.csv", Charge, records.charges)
    _write(folder / "samples.csv", Sample, records.samples)
    if records.stock:
        _write(folder / "stock.csv", StockSample, records.stock)
    _write(folder / "processes.csv", ProcessSample, records.processes)
    _write(folder / "cold_starts.csv", ColdStart, records.cold_starts)
    _write(folder / "invocations.csv", Invocation, records.invocations)
    _write(folder / "workers.csv", WorkersSet, records.workers)
    (folder / "ending.json").write_text(json.dumps(asdict(records.ending), indent=1) + "\n", encoding="utf-8")


def read_records(folder: Path) -> RunRecords:
    """Read what write_records() wrote."""
    return RunRecords(
        phases=_read(folder / "phases.csv", PhaseMark),
        requests=_read(folder / "requests.csv", Request),
        orders=_read(folder / "orders.csv", Order),
        charges=_read(folder / "charges.csv", Charge),
        samples=_read(folder / "samples.csv", Sample),
        processes=_read(folder / "processes.csv", ProcessSample),
        cold_starts=_read(folder / "cold_starts.csv", ColdStart),
        invocations=_read(folder / "invocations.csv", Invocation),
        workers=_read(folder / "workers.csv", WorkersSet),
        stock=_read(folder / "stock.csv", StockSample),
        ending=Ending(**json.loads((folder / "ending.json").read_text(encoding="utf-8"))),
    )
