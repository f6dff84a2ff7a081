import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from payment_gateway.behaviour import Behaviour, injected_faults

MakeBehaviour = Callable[..., Behaviour]


def test_the_faults_of_an_attempt_depend_on_seed_key_and_number_alone(make_behaviour: MakeBehaviour) -> None:
    behaviour = make_behaviour(failure_rate=0.5, decline_rate=0.5, lost_reply_rate=0.5)
    keys = [f"ord_{n}" for n in range(50)]
    forwards = [injected_faults(behaviour, key=key, attempt=1) for key in keys]
    backwards = [injected_faults(behaviour, key=key, attempt=1) for key in reversed(keys)]
    assert forwards == backwards[::-1]
    assert forwards != [
        injected_faults(make_behaviour(**{**behaviour.model_dump(), "seed": 2}), key=k, attempt=1) for k in keys
    ]


def test_customers_and_seed_are_numbers_that_json_can_tell(make_behaviour: MakeBehaviour) -> None:
    largest = 2**53 - 1
    assert make_behaviour(failing_customers=[1, largest], seed=largest).failing_customers == (1, largest)
    for wrong in ({"failing_customers": [0]}, {"failing_customers": [2**53]}, {"seed": -1}, {"seed": 2**53}):
        with pytest.raises(ValidationError):
            make_behaviour(**wrong)


def test_bounds_are_those_of_an_hour_of_a_share_and_of_a_million(make_behaviour: MakeBehaviour) -> None:
    largest = {"latency_seconds": 3600, "capacity": 1_000_000, "decline_rate": 1}
    for field, bound in largest.items():
        assert getattr(make_behaviour(**{field: bound}), field) == bound
        for wrong in (-1, bound + 1):
            with pytest.raises(ValidationError):
                make_behaviour(**{field: wrong})


def test_a_provider_that_is_told_nothing_of_customers_and_keys_treats_all_alike_and_keeps_every_key(
    make_behaviour: MakeBehaviour,
) -> None:
    plain = make_behaviour()
    assert (plain.failing_customers, plain.hanging_customers, plain.slow_customers) == ((), (), ())
    assert (plain.slow_seconds, plain.key_seconds) == (30, 0)


def test_rates_are_kept(make_behaviour: MakeBehaviour) -> None:
    behaviour = make_behaviour(failure_rate=0.1, decline_rate=0.3, lost_reply_rate=0.6)
    faults = [injected_faults(behaviour, key=f"ord_{n}", attempt=1) for n in range(4000)]
    assert sum(fault.fails for fault in faults) / 4000 == pytest.approx(0.1, abs=0.02)
    assert sum(fault.declined for fault in faults) / 4000 == pytest.approx(0.3, abs=0.03)
    assert sum(fault.reply_lost for fault in faults) / 4000 == pytest.approx(0.6, abs=0.03)


def test_a_declined_card_stays_declined_but_failures_pass(make_behaviour: MakeBehaviour) -> None:
    behaviour = make_behaviour(failure_rate=0.5, decline_rate=0.5)
    for n in range(50):
        attempts = [injected_faults(behaviour, key=f"ord_{n}", attempt=attempt) for attempt in range(1, 30)]
        assert len({fault.declined for fault in attempts}) == 1
        assert len({fault.fails for fault in attempts}) == 2


@given(seed=st.integers(0, 2**53 - 1), key=st.text("abc_", min_size=1, max_size=20), attempt=st.integers(1, 1000))
def test_rates_of_none_and_all_are_exact(seed: int, key: str, attempt: int) -> None:
    rates = ("failure_rate", "decline_rate", "lost_reply_rate")
    base = {"latency_seconds": 0, "capacity": 0, "queue_timeout_seconds": 0, "seed": seed}
    never = injected_faults(Behaviour.model_validate(base | dict.fromkeys(rates, 0)), key=key, attempt=attempt)
    always = injected_faults(Behaviour.model_validate(base | dict.fromkeys(rates, 1)), key=key, attempt=attempt)
    assert (never.fails, never.declined, never.reply_lost) == (False, False, False)
    assert (always.fails, always.declined, always.reply_lost) == (True, True, True)


def test_a_change_keeps_what_it_does_not_name(make_behaviour: MakeBehaviour) -> None:
    before = make_behaviour(decline_rate=0.5, capacity=3)
    after = before.changed(b'{"latency_seconds": 2.5, "capacity": 0}')
    assert after == before.model_copy(update={"latency_seconds": 2.5, "capacity": 0})


@given(
    fields=st.dictionaries(
        st.sampled_from([*Behaviour.model_fields, "latency"]), st.none() | st.floats() | st.integers() | st.text()
    )
)
def test_no_change_leads_out_of_range(fields: dict[str, object]) -> None:
    before = Behaviour(
        latency_seconds=1,
        capacity=1,
        decline_rate=0,
        failure_rate=0,
        lost_reply_rate=0,
        queue_timeout_seconds=1,
        seed=1,
    )
    try:
        after = before.changed(json.dumps(fields).encode())
    except (ValidationError, UnicodeEncodeError):
        return
    assert Behaviour.model_validate(after.model_dump()) == after
    assert 0 <= after.latency_seconds <= 3600
    assert 0 <= after.decline_rate <= 1
