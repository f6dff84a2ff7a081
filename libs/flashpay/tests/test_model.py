"""Settle, cancel and refund, searched: two workers, two processes of the API, a reconciler, and a gateway that forgets.

Whoever is in the middle of something may be killed, or stopped for as long as it likes; a lease may end at any moment;
requests of the gateway may get no answer, and be carried out late or never. From every state the order can still come
to its end.
"""

from collections.abc import Callable
from dataclasses import fields

import pytest

from libs.flashpay.tests.model.rules import Rules, World
from libs.flashpay.tests.model.scenarios import KEYED, QUEUED, WAITING, WORLDS
from libs.flashpay.tests.model.search import search
from libs.flashpay.tests.model.state import State, Status, Units
from libs.flashpay.tests.model.variants import VARIANTS, Variant


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_no_state_of_the_protocol_is_bad_and_none_is_stuck(world: World, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert len(found.trace) > 1
    assert variant.world in WORLDS, "where the protocol is searched too: it is the rule that makes the difference"


def test_every_rule_has_a_variant_without_it() -> None:
    without = {field.name for variant in VARIANTS for field in fields(Rules) if not getattr(variant.rules, field.name)}
    assert without == {field.name for field in fields(Rules)}


def _cancelled_before_it_was_met(state: State) -> bool:
    return state.is_quiet and state.status is Status.CANCELLED and state.attempt == 0 and state.units == Units(1, 0, 0)


def _paid_back_and_for_sale_again(state: State) -> bool:
    return state.is_quiet and state.status is Status.REFUNDED and state.units == Units(1, 0, 0)


def _found_paid_back_after_the_key_was_forgotten(state: State) -> bool:
    return state.is_quiet and state.status is Status.REFUNDED and state.refund_old and state.gateway.refund_keys == ()


def _ended_though_the_refund_was_forgotten(state: State) -> bool:
    return state.is_quiet and state.status is Status.REFUNDED and state.gateway.refunds_forgotten


def _left_to_a_human(state: State) -> bool:
    return state.is_quiet and state.status is Status.REFUNDING


def _given_up_uncharged(state: State) -> bool:
    return state.is_quiet and state.status is Status.FAILED


def _declined_after_a_second_claim(state: State) -> bool:
    return state.is_quiet and state.status is Status.DECLINED and state.attempt > 1


@pytest.mark.parametrize(
    ("world", "wanted"),
    [
        (QUEUED, _cancelled_before_it_was_met),
        (KEYED, _cancelled_before_it_was_met),
        (QUEUED, _paid_back_and_for_sale_again),
        (QUEUED, _found_paid_back_after_the_key_was_forgotten),
        (QUEUED, _ended_though_the_refund_was_forgotten),
        (QUEUED, _left_to_a_human),
        (WAITING, _given_up_uncharged),
        (KEYED, _declined_after_a_second_claim),
    ],
    ids=lambda value: getattr(value, "__name__", None) or value.name,
)
def test_the_ends_are_reached_too(world: World, wanted: Callable[[State], bool]) -> None:
    found = search(Rules(), world, lambda state: "reached" if wanted(state) else None)
    assert found.fault == "reached"
