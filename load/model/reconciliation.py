"""Why there are several answers to one question: each figure beside the assumption that makes it."""

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from load.model.breakeven import break_even, seed_comparison
from load.model.costs import Assumptions
from load.model.prices import Prices
from load.model.sale import Sale

UTILISATION = 0.9
"""How busy the laboratory's workers are to be: at 1 the smallest accident leaves a backlog that is never worked off."""
LABORATORY_OVERHEAD_SECONDS = 0.05
"""A slot's time beside the payment, with the embedded AWS on two cores: receive, claim, record.

24 ms were measured with one worker, 58 ms with 100, 49 ms with workers to spare at 60 orders/s.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`value` is the answer under this assumption; None: there is none."""

    value: int | None
    assumption: str


def workers_to_keep_up(rate: float, service: float, utilisation: float = 1.0) -> int:
    """⌈λ (d + o) ÷ u⌉: slots that `rate` keeps busy for `utilisation` of the time (Little 1961)."""
    return math.ceil(round(rate * service / utilisation, 9))


def worker_readings(sale: Sale, *, needed: int, workers: int) -> tuple[Reading, ...]:
    """The workers of a sale, by what is asked of them."""
    laboratory = sale.payment + LABORATORY_OVERHEAD_SECONDS
    return (
        Reading(
            value=workers_to_keep_up(sale.rate, sale.payment),
            assumption="to keep up, were there nothing but the payment: λd",
        ),
        Reading(
            value=workers_to_keep_up(sale.rate, sale.service),
            assumption=f"to keep up with {sale.overhead:g} s beside each payment: λ(d+o)",
        ),
        Reading(
            value=workers_to_keep_up(sale.rate, laboratory),
            assumption=f"the same with the laboratory's {LABORATORY_OVERHEAD_SECONDS:g} s, all on one machine",
        ),
        Reading(
            value=workers_to_keep_up(sale.rate, laboratory, UTILISATION),
            assumption=f"that, busy {UTILISATION:.0%} of the time, so that a backlog goes again: the laboratory's",
        ),
        Reading(
            value=needed,
            assumption=f"the last customer of {sale.burst:,.10g} s may wait {sale.wait:,.10g} s,"
            " so that a queue may grow",
        ),
        Reading(value=workers, assumption=f"that in whole tasks of {sale.workers_per_task}: this plan"),
    )


def break_even_readings(prices: Prices, ordinary: Assumptions) -> tuple[Reading, ...]:
    """Orders a month from which functions cost more than a processor, by what is counted."""
    seed = seed_comparison(prices)
    bare = replace(ordinary, free_tier=False)
    full = replace(ordinary, free_tier=True)
    batched = replace(full, orders_per_invocation=Decimal(10))
    return (
        Reading(
            value=math.ceil(seed.break_even_without_free_tier),
            assumption=f"the course's: two tasks at ${seed.fixed} a month, x86_64, payments of 3 s, nothing free",
        ),
        Reading(value=math.ceil(seed.break_even), assumption="the course's, with what is free each month"),
        Reading(
            value=break_even("lambda", "ecs", prices, bare).orders,
            assumption=f"the whole bill ({ordinary.architecture}: queue, cold starts), nothing free",
        ),
        Reading(
            value=break_even("lambda", "ecs", prices, full).orders,
            assumption="the whole bill, with what is free each month",
        ),
        Reading(
            value=break_even("lambda-sqs", "ecs", prices, batched).orders,
            assumption="that, through the queue in batches of ten, which come only where functions cannot keep up",
        ),
    )
