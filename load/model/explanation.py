"""The closed formulas that belong to a scenario, as figures for the report."""

from load.model import formulas as f
from load.model.formulas import Formula
from load.model.shop import ClosedLoop, OpenLoop, Shop, Slots, Workload

# The names by which a formula is found.
GREATEST_THROUGHPUT = "greatest throughput"
MEAN_RESPONSE = "mean response at that throughput"
PAYMENTS_IN_PHASE = "payments that fit into the phase"
ACCEPTED_ALL_USERS = "accepted per second, all users there"
ACCEPTED_PER_SECOND = "accepted per second"
SETTLED_PER_SECOND = "settled per second"
PEAK_BACKLOG = "peak backlog"
DRAIN = "drain"
MEAN_WAIT = "mean wait for a slot"
WAIT_95 = "wait for a slot that 95 % do not exceed, at most"

_LITTLE = "Little 1961; Denning & Buzen 1978"
_MOST_CUSTOMERS = 95
_FLUID = "fluid limit, Newell 1971"


def explain(workload: Workload, shop: Shop) -> tuple[Formula, ...]:
    """What the formulas say of the scenario; approximations beside the simulation's exact count."""
    if shop.mode == "sync":
        return _sync(workload, shop) if isinstance(workload, ClosedLoop) else ()
    rate = _intake_rate(workload, shop)
    if rate is None:
        return ()
    return (rate, *_backlog(workload, shop, rate.value), *_waiting(workload, shop))


def _sync(loop: ClosedLoop, shop: Shop) -> tuple[Formula, ...]:
    response = shop.payment_seconds + shop.sync_overhead_seconds
    capacity = shop.gateway_capacity
    limit = capacity / shop.payment_seconds if capacity else float("inf")
    throughput = f.closed_loop_bound(users=loop.users, response=response, think=loop.think_mean_seconds, limit=limit)
    found = [
        Formula(
            name=GREATEST_THROUGHPUT,
            expression=f"min(N/(R+Z), c/d) = min({loop.users}/({response:g}+{loop.think_mean_seconds:g}), "
            f"{capacity or '∞'}/{shop.payment_seconds:g})",
            value=throughput,
            unit="orders/s",
            source=_LITTLE,
        ),
        Formula(
            name=MEAN_RESPONSE,
            expression=f"N/X - Z = {loop.users}/{throughput:.4g} - {loop.think_mean_seconds:g}",
            value=f.closed_loop_response(users=loop.users, throughput=throughput, think=loop.think_mean_seconds),
            unit="s",
            source=_LITTLE,
        ),
    ]
    if capacity:
        found.append(
            Formula(
                name=PAYMENTS_IN_PHASE,
                expression=f"c(⌈T/d⌉-1) = {capacity}(⌈{loop.duration_seconds:g}/{shop.payment_seconds:g}⌉-1)",
                value=f.whole_rounds(seconds=loop.duration_seconds, payment=shop.payment_seconds, capacity=capacity),
                unit="orders",
                source="quantised capacity × time ÷ payment",
            )
        )
    return tuple(found)


def _intake_rate(workload: Workload, shop: Shop) -> Formula | None:
    if isinstance(workload, ClosedLoop):
        think = workload.think_mean_seconds
        return Formula(
            name=ACCEPTED_ALL_USERS,
            expression=f"N/(R+Z) = {workload.users}/({shop.accept_seconds:g}+{think:g})",
            value=f.closed_loop_bound(users=workload.users, response=shop.accept_seconds, think=think),
            unit="orders/s",
            source=_LITTLE,
        )
    if isinstance(workload, OpenLoop):
        return Formula(
            name=ACCEPTED_PER_SECOND,
            expression=f"λ = {workload.rate_per_second:g}",
            value=workload.rate_per_second,
            unit="orders/s",
            source="the offered rate",
        )
    return None


def _backlog(workload: Workload, shop: Shop, rate: float) -> tuple[Formula, ...]:
    slots = shop.consumer
    if not isinstance(slots, Slots) or slots.schedule:
        return ()
    service = f.settle_rate(
        workers=slots.workers,
        payment=shop.payment_seconds,
        overhead=slots.overhead_seconds,
        gateway_capacity=shop.gateway_capacity,
    )
    peak = f.fluid_peak_backlog(rate=rate, service=service, seconds=workload.duration_seconds)
    return (
        Formula(
            name=SETTLED_PER_SECOND,
            expression="min(W/(d+o), c/d) = "
            f"min({slots.workers}/({shop.payment_seconds:g}+{slots.overhead_seconds:g}), "
            f"{shop.gateway_capacity or '∞'}/{shop.payment_seconds:g})",
            value=service,
            unit="orders/s",
            source="W slots, one payment each",
        ),
        Formula(
            name=PEAK_BACKLOG,
            expression=f"(λ-μ)T = ({rate:.4g}-{service:.4g})×{workload.duration_seconds:g}",
            value=peak,
            unit="orders",
            source=_FLUID,
        ),
        Formula(
            name=DRAIN,
            expression=f"B/μ = {peak:.4g}/{service:.4g}",
            value=f.fluid_drain(backlog=peak, service=service),
            unit="s",
            source=_FLUID,
        ),
    )


def _waiting(workload: Workload, shop: Shop) -> tuple[Formula, ...]:
    slots = shop.consumer
    if not (isinstance(workload, OpenLoop) and workload.poisson and isinstance(slots, Slots) and slots.workers):
        return ()
    rate, service = workload.rate_per_second, shop.payment_seconds + slots.overhead_seconds
    if rate * service >= slots.workers:
        return ()
    return (
        Formula(
            name=MEAN_WAIT,
            expression=f"(1+0)/2 × C(W,λ(d+o))(d+o)/(W-λ(d+o)), λ={rate:g}, d+o={service:g}, W={slots.workers}",
            value=f.allen_cunneen_wait(
                rate=rate, service_seconds=service, servers=slots.workers, arrival_scv=1.0, service_scv=0.0
            ),
            unit="s",
            source="Allen-Cunneen (Allen 1990) on Erlang C (1917), long run",
        ),
        Formula(
            name=WAIT_95,
            expression="ln(C(W,λ(d+o))/0.05) (d+o)/(W-λ(d+o)), as if payments varied exponentially",
            value=f.mmc_wait_percentile(
                rate=rate, service_seconds=service, servers=slots.workers, percent=_MOST_CUSTOMERS
            ),
            unit="s",
            source="Erlang C (1917), tail of M/M/c, long run",
        ),
    )
