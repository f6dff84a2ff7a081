"""The stock protocol, searched: every order of steps of sellers, reclaimers and processors, with late and lost writes.

A process that is killed is one that takes no further step, one that was stopped takes it later, and a reclaimer may
suspect anybody at any moment. The search has all of these: whatever a process still wants to do, a state counts as one
at rest as soon as the sessions are reclaimed and the queue is empty.
"""

from collections.abc import Callable

import pytest

from libs.flashstock.tests.model.rules import Rules, World
from libs.flashstock.tests.model.scenarios import FAILING, LAST_UNIT, LATE_ANSWER, ONE_ORDER, REPEATED, SAME_KEY, WORLDS
from libs.flashstock.tests.model.search import search
from libs.flashstock.tests.model.state import SOLD_OUT, End, Guard, Stage, State, Status
from libs.flashstock.tests.model.variants import VARIANTS, Variant


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_no_state_of_the_protocol_is_bad(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = search(Rules(), world)
    with capsys.disabled():
        print(f"\n{world.name}: {found.states:,} states", end="")  # noqa: T201 - how much was searched
    assert found.fault is None, f"{world.name}\n{found}"


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_variant_without_one_of_the_rules_is_caught(variant: Variant) -> None:
    found = search(variant.rules, variant.world)
    print(f"{variant.name}\n{found}")  # noqa: T201 - the way there, with -s
    assert found.fault is not None
    assert variant.fault in found.fault
    assert variant.world in WORLDS, "where the protocol is searched too: it is the rule that makes the difference"


def _died_before_its_publish_and_is_paid(state: State) -> bool:
    return state.is_quiet and state.stages[0] is Stage.JOURNALED and state.sold == 1


def _died_before_its_page_and_the_unit_is_sold_elsewhere(state: State) -> bool:
    return state.is_quiet and state.stages[0] is Stage.HELD and state.accepted[1] is True and state.sold == 1


def _declined_and_back_for_sale(state: State) -> bool:
    entry = state.ledger[0]
    return state.is_quiet and entry is not None and entry.status is Status.DECLINED and state.available == 1


def _withdrawn_and_sold_elsewhere(state: State) -> bool:
    return state.is_quiet and state.accepted == (False, True) and state.sold == 1


def _one_order_of_two_reservations_is_sold_once(state: State) -> bool:
    return state.is_quiet and state.accepted == (True, True) and (state.available, state.sold) == (1, 1)


def _repeated_and_truly_sold_out(state: State) -> bool:
    return state.is_quiet and SOLD_OUT in state.accepted and state.available == 1


def _redriven_and_sold(state: State) -> bool:
    return state.is_quiet and state.endings[0] == Guard(End.SOLD, opened=1) and state.sold == 1


def _paid_after_it_was_returned(state: State) -> bool:
    return state.is_quiet and state.endings[0] == Guard(End.SOLD, opened=0) and state.sold == 1


@pytest.mark.parametrize(
    ("world", "wanted"),
    [
        (ONE_ORDER, _died_before_its_publish_and_is_paid),
        (ONE_ORDER, _declined_and_back_for_sale),
        (LAST_UNIT, _died_before_its_page_and_the_unit_is_sold_elsewhere),
        (LAST_UNIT, _withdrawn_and_sold_elsewhere),
        (FAILING, _redriven_and_sold),
        (LATE_ANSWER, _paid_after_it_was_returned),
        (REPEATED, _repeated_and_truly_sold_out),
        (SAME_KEY, _one_order_of_two_reservations_is_sold_once),
    ],
    ids=lambda value: getattr(value, "__name__", None) or value.name,
)
def test_the_good_ends_are_reached_too(world: World, wanted: Callable[[State], bool]) -> None:
    found = search(Rules(), world, lambda state, _: "reached" if wanted(state) else None)
    assert found.fault == "reached"
