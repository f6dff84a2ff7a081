"""Runs that were tampered with, each in one way that a careless or a dishonest person might choose."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from load.analysis.results import result
from load.records import Invocation, PhaseMark, Request, RunRecords, WorkersSet
from load.scenario import Arm, Arrivals, Phase, Scenario, Shop
from load.scenario_files import SCENARIOS, load_scenarios
from load.tests.synthetic import synthetic_run
from load.tests.tampering import Tamper, failed

FLASH = Phase(name="flash", users=30, spawn_rate=30, seconds=8)
CLOSED = Scenario(
    name="ecs:4",
    title="Queue",
    arm=Arm.ECS,
    workers=4,
    payment_seconds=0.5,
    phases=(Phase(name="normal", users=5, seconds=4), FLASH),
)
SYNC = Scenario(
    name="sync:naive:2",
    title="Naive",
    arm=Arm.SYNC,
    shop=Shop.NAIVE,
    capacity=2,
    workers=0,
    payment_seconds=0.5,
    line_seconds=3.0,
    phases=(FLASH,),
)
OPEN = Scenario(
    name="ecs:open",
    title="Open loop",
    arm=Arm.ECS,
    workers=20,
    payment_seconds=0.5,
    phases=(Phase(name="steady", arrivals=Arrivals.POISSON, rate=30, seconds=8),),
)
LAMBDA = Scenario(
    name="lambda",
    title="Bursts",
    arm=Arm.LAMBDA,
    payment_seconds=0.5,
    phases=(
        Phase(name="cold", arrivals=Arrivals.BURST, users=3, seconds=3),
        Phase(name="burst", arrivals=Arrivals.BURST, users=12, seconds=3),
    ),
)
SCALED = OPEN.model_copy(update={"name": "ecs:scaled", "workers": 5, "tasks": ((2.0, 2), (5.0, 4))})


def requests(change: Callable[[int, Request], Request]) -> Tamper:
    return lambda run: replace(run, requests=[change(number, one) for number, one in enumerate(run.requests)])


def phases(change: Callable[[PhaseMark], PhaseMark]) -> Tamper:
    return lambda run: replace(run, phases=[*run.phases[:-1], change(run.phases[-1])])


def invocations(change: Callable[[Invocation], Invocation]) -> Tamper:
    return lambda run: replace(run, invocations=[change(one) for one in run.invocations])


def workers(change: Callable[[WorkersSet], WorkersSet]) -> Tamper:
    return lambda run: replace(run, workers=[change(one) for one in run.workers])


def drop_an_order(run: RunRecords) -> RunRecords:
    """One order disappears from every witness, as if it had never been."""
    gone = run.requests[len(run.requests) // 2]
    return replace(
        run,
        requests=[one for one in run.requests if one is not gone],
        orders=[one for one in run.orders if one.order_id != gone.order_id],
        charges=[one for one in run.charges if one.order_id != gone.order_id],
        ending=replace(run.ending, server_accepted=(run.ending.server_accepted or 0) - gone.is_accepted),
    )


def hide_refusals(run: RunRecords) -> RunRecords:
    """Every second refusal disappears, and the API's counter with it."""
    refused = [one for one in run.requests if not one.is_accepted][::2]
    kept = [one for one in run.requests if one not in refused]
    ending = replace(run.ending, server_rejected=(run.ending.server_rejected or 0) - len(refused))
    return replace(run, requests=kept, ending=ending)


def accept_refusals(run: RunRecords) -> RunRecords:
    """Refusals become accepted orders, with ledger entries and charges."""
    refused = [one for one in run.requests if not one.is_accepted][:3]
    taken = [replace(one, status=200, order_id=f"ord_new{number}") for number, one in enumerate(refused)]
    model, paid = run.orders[0], run.charges[0]
    return replace(
        run,
        requests=[one for one in run.requests if one not in refused] + taken,
        orders=[*run.orders, *(replace(model, order_id=one.order_id, charge_id=one.order_id) for one in taken)],
        charges=[*run.charges, *(replace(paid, order_id=one.order_id, charge_id=one.order_id) for one in taken)],
    )


def decline(run: RunRecords) -> RunRecords:
    first = run.orders[0].order_id
    return replace(
        run,
        orders=[replace(one, status="declined") if one.order_id == first else one for one in run.orders],
        charges=[replace(one, status="declined") if one.order_id == first else one for one in run.charges],
    )


def exchange_charge_ids(run: RunRecords) -> RunRecords:
    first, second, *rest = run.orders
    swapped = [replace(first, charge_id=second.charge_id), replace(second, charge_id=first.charge_id)]
    return replace(run, orders=[*swapped, *rest])


def spread_the_phases(run: RunRecords) -> RunRecords:
    """The second phase takes two seconds from the first."""
    first, second = run.phases
    moved = [replace(first, ended=first.ended - 2), replace(second, started=second.started - 2)]
    return replace(run, phases=moved)


def idle_slots(run: RunRecords) -> RunRecords:
    return replace(run, samples=[replace(one, slots_busy=0.5 * one.slots_busy) for one in run.samples])


def too_many_slots(run: RunRecords) -> RunRecords:
    return replace(run, samples=[replace(one, slots_busy=one.slots_busy + 1) for one in run.samples])


def start_more_often(run: RunRecords) -> RunRecords:
    return replace(run, cold_starts=[*run.cold_starts, *run.cold_starts])


def start_in_another_phase(run: RunRecords) -> RunRecords:
    return replace(run, cold_starts=[replace(one, at=one.at + 1.5) for one in run.cold_starts])


def miscount_charges(run: RunRecords) -> RunRecords:
    return replace(run, samples=[replace(one, charges=2 * one.charges) for one in run.samples])


def miscount_charges_of_slow_answers(run: RunRecords) -> RunRecords:
    run = miscount_charges(run)
    return replace(run, samples=[replace(one, until=run.ending.at) for one in run.samples])


def add_requests(run: RunRecords) -> RunRecords:
    last = run.requests[-1]
    more = [replace(last, user=last.user + number, order_id="", status=503) for number in range(1, 4)]
    ending = replace(run.ending, server_rejected=(run.ending.server_rejected or 0) + len(more))
    return replace(run, requests=[*run.requests, *more], ending=ending)


VARIANTS: tuple[tuple[str, Scenario, Tamper, str], ...] = (
    # sent when due
    ("due later", OPEN, requests(lambda _, one: replace(one, due=one.due + 0.05)), "due"),
    ("due earlier", OPEN, requests(lambda _, one: replace(one, due=one.due - 0.05)), "due"),
    ("one due at another moment", OPEN, requests(lambda n, one: replace(one, due=one.due + (n == 9))), "due"),
    ("sent before due", OPEN, requests(lambda _, one: replace(one, sent=one.due - 0.5)), "due"),
    ("all sent late", OPEN, requests(lambda _, one: replace(one, sent=one.due + 1.0)), "due"),
    ("one sent very late", OPEN, requests(lambda n, one: replace(one, sent=one.sent + 6 * (n == 3))), "due"),
    ("thinking less", CLOSED, requests(lambda _, one: replace(one, think_seconds=one.think_seconds / 2)), "seed"),
    ("one thinks longer", CLOSED, requests(lambda n, one: replace(one, think_seconds=0.5 + (n == 7))), "seed"),
    # as many as the schedule
    ("an order gone, open loop", OPEN, drop_an_order, "due"),
    ("an order gone, closed loop", CLOSED, drop_an_order, "seed"),
    ("an order gone, burst", LAMBDA, drop_an_order, "due"),
    ("orders added, open loop", OPEN, add_requests, "due"),
    ("orders added, burst", LAMBDA, add_requests, "due"),
    ("refusals hidden", SYNC, hide_refusals, "seed"),
    ("refusals accepted", SYNC, accept_refusals, "amounts"),
    ("another product", OPEN, requests(lambda _, one: replace(one, product="desk-lamp")), "seed"),
    ("another customer", OPEN, requests(lambda n, one: replace(one, user=one.user + 1000 * (n == 2))), "seed"),
    # phases
    ("orders in another phase", CLOSED, requests(lambda _, one: replace(one, phase="flash")), "labels"),
    ("an order in a phase that is not", CLOSED, requests(lambda n, one: replace(one, phase="x" * (n == 1))), "labels"),
    ("a longer phase", CLOSED, phases(lambda mark: replace(mark, ended=mark.ended + 3)), "phases"),
    ("a shorter phase", CLOSED, phases(lambda mark: replace(mark, ended=mark.ended - 3)), "phases"),
    ("a longer open loop", OPEN, phases(lambda mark: replace(mark, ended=mark.ended + 0.8)), "phases"),
    ("phases that begin earlier", CLOSED, spread_the_phases, "phases"),
    ("more users", CLOSED, phases(lambda mark: replace(mark, users=33)), "phases"),
    ("another rate", OPEN, phases(lambda mark: replace(mark, rate=40)), "phases"),
    ("other arrivals", OPEN, phases(lambda mark: replace(mark, arrivals="constant")), "phases"),
    # money
    (
        "other amounts",
        CLOSED,
        lambda run: replace(run, orders=[replace(o, total_minor=1) for o in run.orders]),
        "amounts",
    ),
    (
        "another charge",
        CLOSED,
        lambda run: replace(run, charges=[replace(run.charges[0], amount_minor=1), *run.charges[1:]]),
        "amounts",
    ),
    ("charge ids exchanged", CLOSED, exchange_charge_ids, "amounts"),
    (
        "a charge id gone",
        CLOSED,
        lambda run: replace(run, orders=[replace(o, charge_id="") for o in run.orders]),
        "amounts",
    ),
    ("a decline that nobody configured", CLOSED, decline, "declines"),
    # functions
    ("more cold starts than invocations", LAMBDA, start_more_often, "cold-starts"),
    ("cold starts in another phase", LAMBDA, start_in_another_phase, "cold-starts"),
    ("billed more", LAMBDA, invocations(lambda one: replace(one, billed_seconds=1.5 * one.billed_seconds)), "billed"),
    ("billed less", LAMBDA, invocations(lambda one: replace(one, billed_seconds=one.billed_seconds - 0.004)), "billed"),
    # slots and samples
    ("idle slots", CLOSED, idle_slots, "slots"),
    ("more slots than there are", CLOSED, too_many_slots, "slots"),
    ("workers that were not there", SCALED, workers(lambda one: replace(one, workers=one.workers + 5)), "workers"),
    ("workers at another time", SCALED, workers(lambda one: replace(one, at=one.at - 1)), "workers"),
    (
        "changes that are not planned",
        OPEN,
        lambda run: replace(run, workers=[WorkersSet(at=run.started, workers=40)]),
        "workers",
    ),
    ("the provider's counts", SYNC, miscount_charges, "provider"),
    ("the provider's counts, said to have come late", SYNC, miscount_charges_of_slow_answers, "provider"),
    # pauses after refusals
    (
        "refused sooner",
        SYNC,
        requests(lambda _, one: one if one.is_accepted else replace(one, done=(one.sent + one.done) / 2)),
        "after-refusal",
    ),
    (
        "refused later",
        SYNC,
        requests(lambda _, one: one if one.is_accepted else replace(one, done=one.done + 0.1)),
        "after-refusal",
    ),
)


@pytest.fixture(scope="module")
def honest() -> dict[str, RunRecords]:
    return {one.name: synthetic_run(one) for one in (CLOSED, SYNC, OPEN, LAMBDA, SCALED)}


@pytest.mark.parametrize("scenario", [CLOSED, SYNC, OPEN, LAMBDA, SCALED], ids=lambda one: one.name)
def test_an_honest_run_is_valid(scenario: Scenario, honest: dict[str, RunRecords]) -> None:
    assert failed(scenario, honest[scenario.name]) == set()


@pytest.mark.parametrize(
    ("scenario", "tamper", "check"), [one[1:] for one in VARIANTS], ids=[one[0] for one in VARIANTS]
)
def test_a_tampered_run_is_invalid(
    scenario: Scenario, tamper: Tamper, check: str, honest: dict[str, RunRecords]
) -> None:
    assert check in failed(scenario, tamper(honest[scenario.name]))


def test_there_are_forty_ways() -> None:
    assert len(VARIANTS) >= 40


def test_a_scenario_with_other_workers_is_not_the_one_that_ran(honest: dict[str, RunRecords]) -> None:
    run = honest[CLOSED.name]
    assert "slots" in failed(CLOSED.model_copy(update={"workers": 8}), run)
    assert {"slots", "capacity"} <= failed(CLOSED.model_copy(update={"workers": 2}), run)


def test_a_provider_that_counts_late_is_believed_until_the_next_question(honest: dict[str, RunRecords]) -> None:
    run = honest[SYNC.name]
    ends = sorted(charge.finished_at for charge in run.charges)

    def late(*, until: float) -> RunRecords:
        """The second look is answered almost a second later."""
        first, second, third, *rest = run.samples
        counted = sum(end <= third.at for end in ends)
        second = replace(second, at=second.at - 0.9, charges=counted, until=until)
        return replace(run, samples=[first, second, third, *rest])

    moment = run.samples[2].at
    assert failed(SYNC, late(until=moment)) == set()
    assert failed(SYNC, late(until=moment - 2.0)) == {"provider"}


def test_who_was_refused_and_charged_is_named_without_an_invalid_run() -> None:
    run = synthetic_run(SYNC)
    victim = next(one for one in run.requests if one.is_accepted)
    refused = replace(victim, status=503, order_id="", reason="late")
    counts = replace(
        run.ending,
        server_accepted=(run.ending.server_accepted or 0) - 1,
        server_rejected=(run.ending.server_rejected or 0) + 1,
    )
    tampered = replace(run, requests=[refused if one is victim else one for one in run.requests], ending=counts)
    found = result(SYNC, tampered)
    finding = next(check for check in found.checks if check.name == "refused-charged")
    assert not finding.ok
    assert victim.order_id in finding.detail
    assert found.valid


def test_the_laboratorys_open_loops_are_valid() -> None:
    for scenario in load_scenarios(SCENARIOS / "lab.toml", quick=True).scenarios:
        if scenario.is_open_loop:
            assert failed(scenario, synthetic_run(scenario)) == set(), scenario.name
