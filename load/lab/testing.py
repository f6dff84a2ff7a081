"""Synthetic runs for tests and for working on the report: a small exact simulation, no processes."""

import heapq
import random
from dataclasses import replace

from load.lab.records import Charge, ColdStart, Ending, Order, PhaseMark, ProcessSample, Request, RunRecords, Sample
from load.lab.scenario import Arm, Scenario, Shop
from load.lab.timeline import backlog, lives

START = 1_800_000_000.0
ACCEPT_SECONDS = 0.012
RECORD_SECONDS = 0.004


class _Sale:
    """Closed-loop shoppers of one scenario, event by event."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.random = random.Random(scenario.seed)  # noqa: S311  # reproducible, not secret
        self.requests: list[Request] = []
        self.orders: list[Order] = []
        self.charges: list[Charge] = []
        slots = scenario.slots or 10_000
        self.free = [START] * slots
        heapq.heapify(self.free)

    def run(self) -> list[PhaseMark]:
        marks, begin, present = [], START, 0
        ready: list[tuple[float, int]] = []
        for phase in self.scenario.phases:
            end = begin + phase.seconds
            joins = [
                begin + index / phase.spawned_per_second if phase.arrivals != "burst" else begin
                for index in range(phase.users - present)
            ]
            for number, moment in enumerate(joins, start=present):
                heapq.heappush(ready, (moment, number))
            present = max(present, phase.users)
            held = []
            while ready and ready[0][0] < end:
                moment, user = heapq.heappop(ready)
                if phase.arrivals == "burst":
                    self.buy(max(moment, begin), user, phase.name)
                    held.append((end, user))
                else:
                    heapq.heappush(ready, (self.buy(moment, user, phase.name), user))
            for entry in held:
                heapq.heappush(ready, entry)
            full = max(joins, default=begin)
            marks.append(
                PhaseMark(
                    name=phase.name,
                    arrivals=phase.arrivals.value,
                    users=phase.users,
                    rate=phase.rate,
                    started=begin,
                    full=full,
                    ended=end,
                )
            )
            begin = end
        return marks

    def buy(self, sent: float, user: int, phase: str) -> float:
        """Place one order; returns when this shopper orders again."""
        think = self.random.uniform(*self.scenario.think_seconds)
        pay = self.scenario.payment_seconds
        order_id = (
            f"ord_{len(self.requests):026d}".replace("0", "a").replace("1", "b").replace("8", "c").replace("9", "d")
        )
        order_id = f"{order_id}{len(self.requests)}"
        status, reason = 202, ""
        if self.scenario.arm is Arm.SYNC:
            starts = max(sent, self.free[0])
            patience = self.scenario.line_seconds / (30 if self.scenario.shop is Shop.PROTECTED else 1)
            if starts - sent > patience:
                status, reason, done = 503, "The payment did not come through in time", sent + patience
            else:
                heapq.heapreplace(self.free, starts + pay)
                self.settle(order_id, starts)
                status, done = 200, starts + pay + RECORD_SECONDS
        else:
            done = sent + ACCEPT_SECONDS * self.random.uniform(0.6, 2.5)
            starts = max(done, self.free[0])
            heapq.heapreplace(self.free, starts + pay + RECORD_SECONDS)
            self.settle(order_id, starts)
        self.requests.append(
            Request(
                due=sent,
                sent=sent,
                done=done,
                status=status,
                order_id="" if status not in {200, 202} else order_id,
                order_status="" if status not in {200, 202} else "pending",
                phase=phase,
                user=user,
                think_seconds=think,
                reason=reason,
            )
        )
        return done + think

    def settle(self, order_id: str, starts: float) -> None:
        ends = starts + self.scenario.payment_seconds
        self.charges.append(
            Charge(
                order_id=order_id, charge_id=f"ch_{order_id}", status="succeeded", started_at=starts, finished_at=ends
            )
        )
        self.orders.append(
            Order(
                order_id=order_id,
                status="completed",
                created_at=starts,
                completed_at=ends + RECORD_SECONDS / 2,
                charge_id=f"ch_{order_id}",
                total_minor=1990,
            )
        )


def synthetic_run(scenario: Scenario) -> RunRecords:
    """A valid run of a closed-loop or burst scenario, as if measured on an ideal machine."""
    sale = _Sale(scenario)
    marks = sale.run()
    last = max([order.completed_at for order in sale.orders] + [marks[-1].ended])
    cut = min(last, marks[-1].ended + scenario.drain_limit_seconds)
    early = last > cut
    orders = [order for order in sale.orders if order.completed_at <= cut]
    records = RunRecords(
        phases=marks,
        requests=sale.requests,
        orders=orders,
        charges=[charge for charge in sale.charges if charge.order_id in {order.order_id for order in orders}],
        samples=[],
        processes=[],
        cold_starts=[ColdStart(at=START + 1, init_seconds=0.4 + 0.02 * index) for index in range(6)]
        if scenario.arm.value.startswith("lambda")
        else [],
        ending=Ending(
            at=cut,
            queued=None if scenario.arm is Arm.LAMBDA else len(sale.orders) - len(orders),
            server_accepted=sum(1 for request in sale.requests if request.is_accepted),
            server_rejected=sum(1 for request in sale.requests if not request.is_accepted),
            stopped_early=early,
        ),
    )
    history = backlog(lives(records))
    moments = [START + second for second in range(int(cut - START) + 1)]
    slots = scenario.slots or 10_000
    samples = [
        Sample(
            at=moment,
            visible=max(0, history.at(moment) - slots),
            in_flight=min(slots, history.at(moment)),
            slots_busy=min(slots, history.at(moment)),
        )
        for moment in moments
    ]
    usage = [
        ProcessSample(at=moment, process=name, cpu_percent=20 + index * 5, rss_bytes=(40 + index) * 1_000_000)
        for moment in moments
        for index, name in enumerate(("order API", "order processor", "payment gateway", "embedded AWS"))
    ]
    return replace(records, samples=samples, processes=usage)
