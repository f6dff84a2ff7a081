"""Is a run's result possible? Checks over its records; a run that fails one is INVALID.

Each check compares witnesses that do not know of each other: the load generator's journal, the orders table, the
payment provider's charge store, the queues, the API's counters, the counters of limited stock. All are pure functions.
"""

from collections.abc import Callable

from load.analysis.checks.check import Check
from load.analysis.checks.functions import (
    billed_as_it_lasted,
    cold_starts_invoked,
    environments_started,
    invocations_last,
    invocations_pay,
)
from load.analysis.checks.money import amounts_agree, declines_as_configured, refused_yet_charged
from load.analysis.checks.orders import (
    charged_once,
    charges_match,
    conservation_at_end,
    conservation_at_every_event,
    counts_agree,
    dead_letters_empty,
    payments_last,
    placed_while_asked,
    rate_within_capacity,
    recorded_when_paid,
)
from load.analysis.checks.samples import depth_agrees, provider_counted, sampled_throughout
from load.analysis.checks.schedule import (
    drawn_from_the_seed,
    phases_as_planned,
    sent_in_their_phase,
    sent_when_due,
    users_complete,
)
from load.analysis.checks.shoppers import (
    closed_loop_holds,
    littles_law,
    nobody_waits_twice,
    orders_follow_answers,
    orders_follow_refusals,
)
from load.analysis.checks.slots import slots_work_while_there_is_work, workers_as_planned
from load.analysis.checks.stock import (
    accepted_keep_their_units,
    counters_add_up,
    not_oversold,
    nothing_reserved_for_nobody,
    sold_as_counted,
    sold_out_is_true,
)
from load.records import RunRecords
from load.scenario import Scenario

__all__ = ["CHECKS", "HEADLINES", "Check", "littles_law", "validate"]

# What is asked first of any run, by name and in a few words; all other checks only tell whether the records agree.
HEADLINES = {
    "conservation": "accounted for",
    "charged-once": "charged once",
    "capacity": "within capacity",
    "little": "Little",
    "counts": "client = server",
    "dead-letters": "nothing dead",
}

CHECKS: tuple[Callable[[Scenario, RunRecords], Check | None], ...] = (
    conservation_at_end,
    charges_match,
    charged_once,
    payments_last,
    recorded_when_paid,
    placed_while_asked,
    rate_within_capacity,
    dead_letters_empty,
    conservation_at_every_event,
    counts_agree,
    closed_loop_holds,
    nobody_waits_twice,
    orders_follow_answers,
    orders_follow_refusals,
    phases_as_planned,
    users_complete,
    sent_in_their_phase,
    sent_when_due,
    drawn_from_the_seed,
    amounts_agree,
    declines_as_configured,
    refused_yet_charged,
    slots_work_while_there_is_work,
    workers_as_planned,
    sampled_throughout,
    depth_agrees,
    provider_counted,
    invocations_pay,
    invocations_last,
    environments_started,
    cold_starts_invoked,
    billed_as_it_lasted,
    counters_add_up,
    sold_as_counted,
    not_oversold,
    accepted_keep_their_units,
    sold_out_is_true,
    nothing_reserved_for_nobody,
)


def validate(scenario: Scenario, records: RunRecords) -> list[Check]:
    """Every check that applies to this run, in the order in which they are shown."""
    results = (check(scenario, records) for check in CHECKS)
    return [result for result in results if result is not None]
