"""Runs in which one witness was silenced, or made to say the same twice: more ways to tamper with one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from load.records import Charge, Invocation, PhaseMark, RunRecords, WorkersSet
from load.scenario import Arm, Arrivals, Phase, Scenario, Shop
from load.tests.synthetic import synthetic_run
from load.tests.tampering import Tamper, failed

FLASH = Phase(name="flash", users=30, spawn_rate=10, seconds=8)
QUEUE = Scenario(
    name="ecs:4",
    title="Queue",
    arm=Arm.ECS,
    workers=4,
    payment_seconds=0.5,
    phases=(Phase(name="normal", users=5, spawn_rate=2, seconds=6), FLASH),
)
PAID_AT_ONCE = QUEUE.model_copy(
    update={"name": "sync:2", "arm": Arm.SYNC, "shop": Shop.NAIVE, "capacity": 2, "workers": 0, "phases": (FLASH,)}
)
FUNCTION = Scenario(
    name="lambda",
    title="Bursts",
    arm=Arm.LAMBDA,
    payment_seconds=0.5,
    phases=(
        Phase(name="cold", arrivals=Arrivals.BURST, users=3, seconds=3),
        Phase(name="burst", arrivals=Arrivals.BURST, users=12, seconds=3),
    ),
)


def mark(change: Callable[[PhaseMark], PhaseMark], number: int = -1) -> Tamper:
    def tampered(run: RunRecords) -> RunRecords:
        marks = list(run.phases)
        marks[number] = change(marks[number])
        return replace(run, phases=marks)

    return tampered


def every(change: Callable[[Invocation], Invocation]) -> Tamper:
    return lambda run: replace(run, invocations=[change(one) for one in run.invocations])


def last_order(status: str) -> Tamper:
    return lambda run: replace(run, orders=[*run.orders[:-1], replace(run.orders[-1], status=status)])


def doubled(one: Invocation) -> Invocation:
    return replace(one, billed_seconds=2 * one.billed_seconds, duration_seconds=2 * one.duration_seconds)


VARIANTS: tuple[tuple[str, Scenario, Tamper, str], ...] = (
    ("a sample twice", QUEUE, lambda run: replace(run, samples=[*run.samples, run.samples[-1]]), "samples"),
    ("samples in another order", QUEUE, lambda run: replace(run, samples=run.samples[::-1]), "samples"),
    (
        "asked before the end",
        QUEUE,
        lambda run: replace(run, ending=replace(run.ending, at=run.ending.at - 1)),
        "samples",
    ),
    ("users complete later", QUEUE, mark(lambda one: replace(one, full=one.ended - 1)), "users"),
    ("users complete sooner", QUEUE, mark(lambda one: replace(one, full=one.started)), "users"),
    ("users complete sooner, before the rush", QUEUE, mark(lambda one: replace(one, full=one.started), 0), "users"),
    ("users complete later, paid at once", PAID_AT_ONCE, mark(lambda one: replace(one, full=one.ended - 1)), "users"),
    ("charges without amounts", QUEUE, lambda run: replace(run, charges=_without_amounts(run)), "amounts"),
    ("an order paid back", QUEUE, last_order("refunded"), "declines"),
    ("an order being paid back", QUEUE, last_order("refunding"), "declines"),
    ("an order cancelled", QUEUE, last_order("cancelled"), "declines"),
    (
        "workers where there are none",
        PAID_AT_ONCE,
        lambda run: replace(run, workers=[WorkersSet(at=run.started, workers=40)]),
        "workers",
    ),
    (
        "a cold start twice, another one gone",
        FUNCTION,
        lambda run: replace(run, cold_starts=[run.cold_starts[0], *run.cold_starts[:-1]]),
        "cold-starts",
    ),
    ("no durations", FUNCTION, every(lambda one: replace(one, duration_seconds=0.0)), "billed"),
    ("billed, and lasted, twice as long", FUNCTION, every(doubled), "invocations-last"),
    ("invocations that end later", FUNCTION, every(lambda one: replace(one, at=one.at + 2.5)), "invocations-last"),
)


def _without_amounts(run: RunRecords) -> list[Charge]:
    return [replace(charge, amount_minor=0) for charge in run.charges]


@pytest.fixture(scope="module")
def honest() -> dict[str, RunRecords]:
    return {one.name: synthetic_run(one) for one in (QUEUE, PAID_AT_ONCE, FUNCTION)}


@pytest.mark.parametrize("scenario", [QUEUE, PAID_AT_ONCE, FUNCTION], ids=lambda one: one.name)
def test_an_honest_run_is_valid(scenario: Scenario, honest: dict[str, RunRecords]) -> None:
    assert failed(scenario, honest[scenario.name]) == set()


@pytest.mark.parametrize(
    ("scenario", "tamper", "check"), [one[1:] for one in VARIANTS], ids=[one[0] for one in VARIANTS]
)
def test_a_tampered_run_is_invalid(
    scenario: Scenario, tamper: Tamper, check: str, honest: dict[str, RunRecords]
) -> None:
    assert check in failed(scenario, tamper(honest[scenario.name]))
