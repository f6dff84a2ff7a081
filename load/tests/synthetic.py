"""Synthetic runs for tests and for working on the report: a small exact simulation, no processes.

Open loops need no shoppers who come back; limited stock is taken at the answer and sold at the order's end.
"""

import heapq
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from load.analysis.timeline import backlog, lives, steps
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
from load.scenario import Arm, Arrivals, Phase, Scenario, Shop
from load.traffic.baskets import Baskets, Customer, product_ids
from load.traffic.open_loop import due_times
from local.catalogue import CATALOGUE, load_catalogue

START = 1_800_000_000.0
ACCEPT_SECONDS = 0.012
RECORD_SECONDS = 0.004
TOLD_SECONDS = 0.002
CONFLICT = 409
UNAVAILABLE = 503
REASONS = {UNAVAILABLE: "The payment did not come through in time", CONFLICT: "Sold out"}
MANY = 10_000
COLD_STARTS = 6
INIT_SECONDS = 0.1
MEMORY_MB = 90


class _Sale:
    """The shoppers of one scenario, event by event."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = random.Random(scenario.seed)  # noqa: S311  # reproducible, not secret
        self.requests: list[Request] = []
        self.orders: list[Order] = []
        self.charges: list[Charge] = []
        self.free = [START] * (scenario.slots or MANY)
        self.ready: list[tuple[float, int]] = []
        self.present = 0
        self.left = dict(scenario.stock)
        wanted = scenario.ordered_products
        self.baskets = Baskets(wanted=wanted, catalogue=[] if wanted else product_ids(CATALOGUE))
        self.customers: dict[int, Customer] = {}
        self.prices = {product.product_id: product.unit_price_minor for product in load_catalogue()}

    def run(self) -> list[PhaseMark]:
        marks, begin = [], START
        for phase in self.scenario.phases:
            marks.append(self.phase(phase, begin))
            begin += phase.seconds
        return marks

    def phase(self, phase: Phase, begin: float) -> PhaseMark:
        if phase.is_open_loop:
            return self.open_phase(phase, begin)
        end = begin + phase.seconds
        is_burst = phase.arrivals is Arrivals.BURST
        joins = [
            begin + (0 if is_burst else index / phase.spawned_per_second) for index in range(phase.users - self.present)
        ]
        for number, moment in enumerate(joins, start=self.present + 1):
            heapq.heappush(self.ready, (moment, number))
        self.present = max(self.present, phase.users)
        held = []
        while self.ready and self.ready[0][0] < end:
            moment, user = heapq.heappop(self.ready)
            back = self.buy(max(moment, begin), user, phase.name)
            held.append((end if is_burst else back, user))
            if not is_burst:
                heapq.heappush(self.ready, held.pop())
        for entry in held:
            heapq.heappush(self.ready, entry)
        return PhaseMark(
            name=phase.name,
            arrivals=phase.arrivals.value,
            users=phase.users,
            rate=phase.rate,
            started=begin,
            full=max(joins, default=begin),
            ended=end,
        )

    def open_phase(self, phase: Phase, begin: float) -> PhaseMark:
        """Orders at their own times, each of another customer."""
        for moment in due_times(phase.arrivals.value, rate=phase.rate, seconds=phase.seconds, seed=self.scenario.seed):
            self.buy(begin + moment, len(self.requests) + 1, phase.name)
        return PhaseMark(
            name=phase.name,
            arrivals=phase.arrivals.value,
            users=0,
            rate=phase.rate,
            started=begin,
            full=begin,
            ended=begin + phase.seconds,
        )

    def buy(self, sent: float, user: int, phase: str) -> float:
        """Place one order; returns when this shopper orders again."""
        customer = self.customers.setdefault(user, self.customer(user))
        items = customer.order()["items"]
        think = customer.think_seconds
        total = sum(self.prices[one["product_id"]] * one["quantity"] for one in items)
        order_id = f"ord_{len(self.requests)}"
        product = items[0]["product_id"] if len(items) == 1 else ""
        status, done = self.answer(order_id, sent, product, total)
        accepted = status in {200, 202}
        self.requests.append(
            Request(
                due=sent,
                sent=sent,
                done=done,
                status=status,
                order_id=order_id if accepted else "",
                order_status="pending" if accepted else "",
                phase=phase,
                user=user,
                think_seconds=think,
                reason=REASONS.get(status, ""),
                product=product,
                problem=SOLD_OUT if status == CONFLICT else "",
            )
        )
        return done + think

    def customer(self, number: int) -> Customer:
        think = None if self.scenario.is_open_loop else self.scenario.think_seconds
        return Customer(number, seed=self.scenario.seed, baskets=self.baskets, think=think)

    def answer(self, order_id: str, sent: float, product: str, total: int) -> tuple[int, float]:
        if self.scenario.is_limited and self.left[product] == 0:
            return CONFLICT, sent + TOLD_SECONDS * self.random.uniform(0.6, 2.5)
        status, done = self.sell(order_id, sent, total)
        if self.scenario.is_limited and status != UNAVAILABLE:  # a payment that never began gives its unit back
            self.left[product] -= 1
        return status, done

    def sell(self, order_id: str, sent: float, total: int) -> tuple[int, float]:
        pay = self.scenario.payment_seconds
        if self.scenario.arm is not Arm.SYNC:
            done = sent + ACCEPT_SECONDS * self.random.uniform(0.6, 2.5)
            self.settle(order_id, sent, max(done, self.free[0]), total)
            return 202, done
        starts = max(sent, self.free[0])
        patience = self.scenario.line_seconds / (30 if self.scenario.shop is Shop.PROTECTED else 1)
        if starts - sent > patience:
            return UNAVAILABLE, sent + patience
        self.settle(order_id, sent, starts, total)
        return 200, starts + pay + RECORD_SECONDS

    def settle(self, order_id: str, created: float, starts: float, total: int) -> None:
        ends = starts + self.scenario.payment_seconds
        heapq.heapreplace(self.free, ends + RECORD_SECONDS)
        charge_id = f"ch_{order_id}"
        self.charges.append(
            Charge(
                order_id=order_id,
                charge_id=charge_id,
                status="succeeded",
                started_at=starts,
                finished_at=ends,
                amount_minor=total,
            )
        )
        self.orders.append(
            Order(
                order_id=order_id,
                status="completed",
                created_at=created,
                completed_at=ends + RECORD_SECONDS / 2,
                charge_id=charge_id,
                total_minor=total,
            )
        )


def synthetic_run(scenario: Scenario) -> RunRecords:
    """A valid run, as if measured on an ideal machine."""
    sale = _Sale(scenario)
    marks = sale.run()
    last = max([order.completed_at for order in sale.orders] + [marks[-1].ended])
    cut = min(last, marks[-1].ended + scenario.drain_limit_seconds)
    orders = [order for order in sale.orders if order.completed_at <= cut]
    ended = {order.order_id for order in orders}
    charges = [charge for charge in sale.charges if charge.order_id in ended]
    invocations = _invocations(scenario, charges)
    records = RunRecords(
        phases=marks,
        requests=sale.requests,
        orders=orders,
        charges=charges,
        samples=[],
        processes=[],
        cold_starts=_cold_starts(invocations),
        invocations=invocations,
        workers=_workers(scenario),
        ending=Ending(
            at=cut,
            queued=None if scenario.arm is Arm.LAMBDA else len(sale.orders) - len(orders),
            server_accepted=sum(1 for request in sale.requests if request.is_accepted),
            server_rejected=sum(1 for request in sale.requests if not request.is_accepted),
            stopped_early=last > cut,
        ),
    )
    return _sampled(scenario, records)


def write_synthetic_run(folder: Path, scenario: Scenario) -> RunRecords:
    """Leave a finished run in an experiment's folder."""
    run, records = run_folder(folder, scenario.folder_name), synthetic_run(scenario)
    write_records(run, records)
    (run / FINISHED).write_text(scenario.model_dump_json(), encoding="utf-8")
    return records


def _workers(scenario: Scenario) -> list[WorkersSet]:
    """The scenario's changes, each at its moment."""
    changes = [(0.0, 1), *scenario.tasks] if scenario.tasks else []
    return [WorkersSet(at=START + at, workers=scenario.workers * tasks) for at, tasks in changes]


def _invocations(scenario: Scenario, charges: Sequence[Charge]) -> list[Invocation]:
    """One for each payment, in the arms with a function."""
    if scenario.arm not in {Arm.LAMBDA, Arm.LAMBDA_SQS}:
        return []
    billed = scenario.payment_seconds + 2 * RECORD_SECONDS
    return [
        Invocation(
            at=charge.finished_at + RECORD_SECONDS, billed_seconds=billed, memory_mb=MEMORY_MB, duration_seconds=billed
        )
        for charge in charges
    ]


def _cold_starts(invocations: Sequence[Invocation]) -> list[ColdStart]:
    """As many as there are invocations at once, and no fewer than COLD_STARTS."""
    if not invocations:
        return []
    begun = [(one.at - one.billed_seconds, 1) for one in invocations]
    at_once = steps(begun + [(one.at, -1) for one in invocations]).peak()
    starts = min(max(COLD_STARTS, at_once), len(invocations))
    return [
        ColdStart(at=one.at - one.billed_seconds + INIT_SECONDS, init_seconds=INIT_SECONDS + 0.001 * index)
        for index, one in enumerate(invocations[:starts])
    ]


def _sampled(scenario: Scenario, records: RunRecords) -> RunRecords:
    history = backlog(lives(records))
    slots = scenario.slots or MANY
    moments = [START + second for second in range(int(records.ending.at - START) + 1)]
    if scenario.is_limited and moments[-1] < records.ending.at:
        moments.append(records.ending.at)
    ends = sorted(charge.finished_at for charge in records.charges)
    samples = []
    for moment in moments:
        busy = min(slots, history.at(moment))
        paid = bisect_right(ends, moment)
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
