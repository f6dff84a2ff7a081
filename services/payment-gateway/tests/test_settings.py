"""What the environment decides: how the provider behaves until somebody changes it, and within which bounds."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flashops.settings import SettingsError
from payment_gateway.behaviour import Behaviour
from payment_gateway.settings import Settings

MakeBehaviour = Callable[..., Behaviour]


def test_nothing_must_be_set_for_charges_of_three_seconds_without_faults(make_behaviour: MakeBehaviour) -> None:
    settings = Settings.from_environment({})
    assert (settings.port, settings.charge_store_path) == (8090, Path("payments.sqlite3"))
    assert settings.drain_grace == timedelta(0)
    assert settings.behaviour(drawn_seed=7) == make_behaviour(latency_seconds=3, queue_timeout_seconds=30, seed=7)


def test_what_is_set_is_how_the_provider_begins(make_behaviour: MakeBehaviour) -> None:
    settings = Settings.from_environment(
        {
            "LATENCY_SECONDS": "0.5",
            "CAPACITY": "1000000",
            "DECLINE_RATE": "0.1",
            "FAILURE_RATE": "0.2",
            "LOST_REPLY_RATE": "0.3",
            "QUEUE_TIMEOUT_SECONDS": "3600",
            "SEED": "9007199254740991",
        }
    )
    assert settings.behaviour(drawn_seed=7) == make_behaviour(
        latency_seconds=0.5,
        capacity=1_000_000,
        decline_rate=0.1,
        failure_rate=0.2,
        lost_reply_rate=0.3,
        queue_timeout_seconds=3600,
        seed=9_007_199_254_740_991,
    )


def test_a_seed_of_nought_is_a_seed() -> None:
    assert Settings.from_environment({"SEED": "0"}).behaviour(drawn_seed=7).seed == 0


@pytest.mark.parametrize("variable", ["LATENCY_SECONDS", "QUEUE_TIMEOUT_SECONDS", "DRAIN_GRACE_SECONDS"])
def test_a_duration_is_from_nothing_to_an_hour(variable: str) -> None:
    for sound in ("0", "3600"):
        Settings.from_environment({variable: sound})
    for wrong in ("-0.1", "3600.1"):
        with pytest.raises(SettingsError, match=f"^{variable}: "):
            Settings.from_environment({variable: wrong})


@pytest.mark.parametrize(
    ("variable", "wrong"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("CAPACITY", "1000001"),
        ("SEED", "9007199254740992"),
        ("SEED", "-1"),
        *((f"{rate}_RATE", value) for rate in ("DECLINE", "FAILURE", "LOST_REPLY") for value in ("-0.1", "1.1")),
    ],
)
def test_what_is_out_of_bounds_is_named(variable: str, wrong: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        Settings.from_environment({variable: wrong})


def test_a_port_is_anything_that_a_port_can_be() -> None:
    assert [Settings.from_environment({"PORT": port}).port for port in ("0", "65535")] == [0, 65535]


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())
