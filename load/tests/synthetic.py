"""Ideal runs for tests: what the model simulates of a scenario, written down as a run leaves it behind."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from pathlib import Path

from load.analysis.predicted import shop, workload
from load.analysis.seed import drawn
from load.analysis.timeline import backlog, lives
from load.model import ClosedLoop, Environments, Shop, Slots
from load.model.orders import SimulatedOrder
from load.model.pool import SlotPool
from load.model.simulation import simulate
from load.records import (
    FINISHED,
    SOLD_OUT,
    Charge,
    ColdStart,
    Ending,
    Invocation,
    Order,
    PhaseMark,
    ProcessSample,
    Request,
    RunRecords,
    Sample,
    StockSample,
    WorkersSet,
    run_folder,
    write_records,
)
from load.scenario import Arm, Arrivals, Scenario
from local.catalogue import load_catalogue

START = 1_800_000_000.0
TOLD_SECONDS = 0.002
INIT_SECONDS = 0.1
MEMORY_MB = 90
# The answer to each outcome of a simulated order.
STATUS = {"accepted": 202, "completed": 200, "rejected": 503}
CONFLICT = 409
REASONS = {503: "The payment did not come through in time", CONFLICT: "Sold out"}


@dataclass(frozen=True, kw_only=True)
class Paid:
    """An order that was accepted; `taken` is when a slot or a function began with it."""

    taken: float
    charge: Charge
    order: Order


def synthetic_run(scenario: Scenario) -> RunRecords:
    """A valid run, as if measured on an ideal machine."""
    marks = _marks(scenario)
    simulated = _simulated(scenario, marks)
    requests, totals = _sold_while_there_is_stock(scenario, [request for request, _ in simulated])
    accepted = {request.order_id for request in requests if request.is_accepted}
    paid = _paid(scenario, [(request, one) for request, one in simulated if request.order_id in accepted], totals)
    last = max([marks[-1].ended, *(one.order.completed_at for one in paid)])
    cut = min(last, marks[-1].ended + scenario.drain_limit_seconds)
    ended = [one for one in paid if one.order.completed_at <= cut]
    records = RunRecords(
        phases=marks,
        requests=requests,
        orders=[one.order for one in ended],
        charges=[one.charge for one in ended],
        samples=[],
        processes=[],
        cold_starts=_cold_starts(scenario, ended),
        invocations=[_invocation(batch) for batch in _batches(scenario, ended)],
        workers=_workers(scenario),
        ending=Ending(
            at=cut,
            queued=0 if scenario.arm is Arm.LAMBDA else len(paid) - len(ended),
            dead_letters=0,
            server_accepted=len(accepted),
            server_rejected=len(requests) - len(accepted),
            stopped_early=last > cut,
        ),
    )
    return _sampled(scenario, records, sorted(one.taken for one in paid))


def write_synthetic_run(folder: Path, scenario: Scenario) -> RunRecords:
    """Leave a finished run in an experiment's folder."""
    run, records = run_folder(folder, scenario.folder_name), synthetic_run(scenario)
    write_records(run, records)
    (run / FINISHED).write_text(scenario.model_dump_json(), encoding="utf-8")
    return records


def _marks(scenario: Scenario) -> list[PhaseMark]:
    ends = list(accumulate((phase.seconds for phase in scenario.phases), initial=START))
    marks = []
    for phase, begins, ended in zip(scenario.phases, ends, ends[1:], strict=False):
        load = workload(scenario, phase)
        full = begins + max(load.spawn_times()) if isinstance(load, ClosedLoop) else begins
        marks.append(PhaseMark.of(phase, started=begins, full=full, ended=ended))
    return marks


def _simulated(scenario: Scenario, marks: Sequence[PhaseMark]) -> list[tuple[Request, SimulatedOrder]]:
    """Every order of the model's runs of the scenario, as its shopper saw it; in the order in which they were sent."""
    found = []
    for number, phase in enumerate(scenario.phases):
        load = workload(scenario, phase)
        if isinstance(load, ClosedLoop) and number < len(marks) - 1:
            continue  # its shoppers go on in the next phase, whose run has all that they order
        run = simulate(load, _shop(scenario, number), seed=scenario.seed)
        found += [(_request(one, marks, marks[number].started), one) for one in run.orders]
    found.sort(key=lambda pair: pair[0].sent)
    return [(replace(request, order_id=f"ord_{number}"), one) for number, (request, one) in enumerate(found)]


def _shop(scenario: Scenario, number: int) -> Shop:
    """The shop as a phase finds it: with the environments that the phases before it left."""
    found = shop(scenario)
    if not isinstance(found.consumer, Environments):
        return found
    warm = max((phase.users for phase in scenario.phases[:number]), default=0)
    return replace(found, consumer=replace(found.consumer, warm=warm, init_seconds=INIT_SECONDS))


def _request(one: SimulatedOrder, marks: Sequence[PhaseMark], begins: float) -> Request:
    sent, status = begins + one.sent_at, STATUS[one.outcome]
    return Request(
        due=sent,
        sent=sent,
        done=begins + (one.answered_at or 0.0),
        status=status,
        order_status="pending" if status not in REASONS else "",
        phase=[mark.name for mark in marks if mark.started <= sent + 1e-6][-1],
        user=one.user,
        reason=REASONS.get(status, ""),
    )


def _sold_while_there_is_stock(scenario: Scenario, sent: Sequence[Request]) -> tuple[list[Request], dict[str, int]]:
    """What was ordered, as the seed says, and its price; refused when there is nothing left of it."""
    prices = {product.product_id: product.unit_price_minor for product in load_catalogue()}
    left, totals, requests = dict(scenario.stock), {}, []
    for one, think, items in sorted(drawn(scenario, sent), key=lambda row: row[0].sent):
        product = items[0]["product_id"] if len(items) == 1 else ""
        request = replace(one, think_seconds=think, product=product)
        if not request.is_accepted:
            request = replace(request, order_id="")
        elif left.get(product) == 0:
            request = _sold_out(request, comes_back=scenario.phases[0].arrivals is Arrivals.CLOSED)
        elif product in left:
            left[product] -= 1
        totals[one.order_id] = sum(prices[line["product_id"]] * line["quantity"] for line in items)
        requests.append(request)
    return requests, totals


def _sold_out(request: Request, *, comes_back: bool) -> Request:
    """Told sooner than who is accepted; but who comes back did so after the simulated answer."""
    return replace(
        request,
        done=request.done if comes_back else request.sent + TOLD_SECONDS,
        status=CONFLICT,
        order_id="",
        order_status="",
        reason=REASONS[CONFLICT],
        problem=SOLD_OUT,
    )


def _paid(scenario: Scenario, accepted: Sequence[tuple[Request, SimulatedOrder]], totals: dict[str, int]) -> list[Paid]:
    """The payments that the model simulated; a processor's anew, because what is sold out takes no slot."""
    if scenario.arm is Arm.ECS:
        pool = _pool(scenario, [request.done for request, _ in accepted])
        times = list(zip(pool.starts, pool.ends, pool.ends, strict=True))
    else:
        begins = [request.sent - one.sent_at for request, one in accepted]
        times = [
            (request.done, begin + (one.charged_at or 0.0), begin + (one.settled_at or 0.0))
            for begin, (request, one) in zip(begins, accepted, strict=True)
        ]
    return [
        _payment(scenario, request, totals[request.order_id], times=moments)
        for (request, _), moments in zip(accepted, times, strict=True)
    ]


def _pool(scenario: Scenario, accepted: Sequence[float]) -> SlotPool:
    pool = SlotPool(accepted, service_seconds=scenario.overhead_seconds + scenario.payment_seconds)
    pool.resize(START, scenario.workers)
    for change in _workers(scenario):
        pool.work_until(change.at)
        pool.resize(change.at, change.workers)
    pool.work_until(math.inf)
    return pool


def _workers(scenario: Scenario) -> list[WorkersSet]:
    """The scenario's changes, each when its tasks have started."""
    consumer = shop(scenario).consumer
    if not isinstance(consumer, Slots) or not consumer.schedule:
        return []
    rush = START + scenario.seconds_before_peak
    changes = [(START, scenario.workers), *((rush + at, workers) for at, workers in consumer.schedule)]
    return [WorkersSet(at=at, workers=workers) for at, workers in changes]


def _payment(scenario: Scenario, request: Request, total: int, *, times: tuple[float, float, float]) -> Paid:
    taken, charged, settled = times
    charge = Charge(
        order_id=request.order_id,
        charge_id=f"ch_{request.order_id}",
        status="succeeded",
        started_at=charged - scenario.payment_seconds,
        finished_at=charged,
        amount_minor=total,
    )
    order = Order(
        order_id=request.order_id,
        status="completed",
        created_at=request.sent,
        completed_at=settled,
        charge_id=charge.charge_id,
        total_minor=total,
    )
    return Paid(taken=taken, charge=charge, order=order)


def _batches(scenario: Scenario, ended: Sequence[Paid]) -> list[list[Paid]]:
    """The orders of each invocation, in the arms with a function: those of a batch are paid at the same time."""
    consumer = shop(scenario).consumer
    if not isinstance(consumer, Environments):
        return []
    size = consumer.batch_size
    together = [list(group) for _, group in groupby(ended, key=lambda one: one.charge.finished_at)]
    return [group[first : first + size] for group in together for first in range(0, len(group), size)]


def _invocation(batch: Sequence[Paid]) -> Invocation:
    lasted = math.ceil(1000 * (batch[-1].order.completed_at - batch[0].taken)) / 1000
    return Invocation(
        at=batch[-1].order.completed_at, billed_seconds=lasted, memory_mb=MEMORY_MB, duration_seconds=lasted
    )


def _cold_starts(scenario: Scenario, ended: Sequence[Paid]) -> list[ColdStart]:
    """Where a payment began later than in an environment that is there already."""
    begun = [(batch[0].taken, batch[0].charge.started_at) for batch in _batches(scenario, ended)]
    late = [taken for taken, charging in begun if charging - taken > INIT_SECONDS]
    return [ColdStart(at=taken + INIT_SECONDS, init_seconds=INIT_SECONDS) for taken in late]


def _sampled(scenario: Scenario, records: RunRecords, taken: Sequence[float]) -> RunRecords:
    """What is looked at once a second, and at the end."""
    history = backlog(lives(records))
    moments = [START + second for second in range(int(records.ending.at - START) + 1)]
    if scenario.is_limited and moments[-1] < records.ending.at:
        moments.append(records.ending.at)
    ends = sorted(charge.finished_at for charge in records.charges)
    samples = []
    for moment in moments:
        paid = bisect_right(ends, moment)
        busy = max(0, min(bisect_right(taken, moment) - paid, history.at(moment)))
        samples.append(
            Sample(at=moment, visible=history.at(moment) - busy, in_flight=busy, slots_busy=busy, charges=paid)
        )
    usage = [
        ProcessSample(at=moment, process=name, cpu_percent=20 + 5 * index, rss_bytes=(40 + index) * 1_000_000)
        for moment in moments
        for index, name in enumerate(("order API", "order processor", "payment gateway", "embedded AWS"))
    ]
    stock = [_counters(scenario, records, moment, product) for moment in moments for product in scenario.stock]
    return replace(records, samples=samples, processes=usage, stock=stock)


def _counters(scenario: Scenario, records: RunRecords, moment: float, product: str) -> StockSample:
    mine = {request.order_id for request in records.requests if request.is_accepted and request.product == product}
    taken = sum(request.order_id in mine and request.sent <= moment for request in records.requests)
    sold = sum(order.order_id in mine and order.completed_at <= moment for order in records.orders)
    total = scenario.stock[product]
    return StockSample(
        at=moment, product=product, total=total, available=total - taken, reserved=taken - sold, sold=sold
    )
