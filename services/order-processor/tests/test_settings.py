"""The processor's settings: what is taken, what is refused, and what the consumer is told of it."""

from datetime import timedelta

import pytest

from flashbus.consumer import ConsumerLimits
from flashops.command_line import variables_help
from flashops.settings import ServiceSettings, SettingsError
from flashpay import Retention
from order_processor.connections import _gateway_limits
from order_processor.settings import Settings

REQUIRED = {
    "QUEUE_URL": "http://localhost:4566/000000000000/orders",
    "DEAD_LETTER_QUEUE_URL": "http://localhost:4566/000000000000/dead",
    "ORDERS_TABLE": "orders",
    "GATEWAY_URL": "http://localhost:8090",
}
# So short that any other time may be next to them.
LOOSE = REQUIRED | {
    "PAYMENT_TIMEOUT_SECONDS": "0.001",
    "LEASE_SECONDS": "0.002",
    "WAIT_SECONDS": "0",
    "BREAKER_THRESHOLD": "1",
}


def test_the_defaults_are_in_order() -> None:
    settings = Settings.from_environment(REQUIRED)
    own = set(Settings.model_fields) - set(ServiceSettings.model_fields) | {"port"}
    assert {name: getattr(settings, name) for name in own} == {
        "port": 8081,
        "queue_url": REQUIRED["QUEUE_URL"],
        "dead_letter_queue_url": REQUIRED["DEAD_LETTER_QUEUE_URL"],
        "orders_table": "orders",
        "stock_table": "",
        "outcomes_topic_arn": "",
        "order_retention_days": 0,
        "gateway_url": "http://localhost:8090",
        "workers": 20,
        "pollers": 0,
        "visibility": timedelta(seconds=60),
        "lease": timedelta(seconds=30),
        "payment_timeout": timedelta(seconds=10),
        "gateway_key_window": timedelta(hours=24),
        "patience": timedelta(seconds=300),
        "wait": timedelta(seconds=20),
        "max_receives": 100,
        "drain": timedelta(seconds=40),
        "breaker_threshold": 5,
        "breaker_cool_down": timedelta(seconds=5),
        "stall": timedelta(seconds=300),
    }
    assert settings.visibility > settings.lease > settings.payment_timeout


def test_what_is_left_to_do_after_an_end_follows_from_topic_and_days() -> None:
    assert Settings.from_environment(REQUIRED).retention == Retention(announced=False, keep=None)
    told = REQUIRED | {"OUTCOMES_TOPIC_ARN": "arn:aws:sns:eu-west-1:1:outcomes", "ORDER_RETENTION_DAYS": "30"}
    assert Settings.from_environment(told).retention == Retention(announced=True, keep=timedelta(days=30))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ORDER_RETENTION_DAYS": "29"}, "ORDER_RETENTION_DAYS: must be 0 or at least 30"),
        (
            {"VISIBILITY_SECONDS": "30"},
            "VISIBILITY_SECONDS (30) must be greater than LEASE_SECONDS (30)",
        ),
        (
            {"PAYMENT_TIMEOUT_SECONDS": "30"},
            "LEASE_SECONDS (30) must be greater than PAYMENT_TIMEOUT_SECONDS (30)",
        ),
        ({"DRAIN_SECONDS": "20"}, "DRAIN_SECONDS (20) must be greater than WAIT_SECONDS (20)"),
        (
            {"MAX_RECEIVES": "5"},
            "MAX_RECEIVES (5) must be greater than BREAKER_THRESHOLD (5)",
        ),
        (
            {"DRAIN_SECONDS": "9", "WAIT_SECONDS": "1"},
            "DRAIN_SECONDS (9) must be greater than PAYMENT_TIMEOUT_SECONDS (10)",
        ),
    ],
)
def test_times_out_of_order_are_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(REQUIRED | variables)
    assert caught.value.problems == (message,)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("WORKERS", "0"), ("WAIT_SECONDS", "21"), ("GATEWAY_URL", "gateway:80"), ("LEASE_SECONDS", "nan")],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        Settings.from_environment(REQUIRED | {variable: value})


@pytest.mark.parametrize(
    ("workers", "pollers"), [(1, 1), (2, 2), (20, 2), (30, 3), (100, 4), (400, 4), (500, 4), (1000, 5)]
)
def test_pollers_follow_the_slots(workers: int, pollers: int) -> None:
    settings = Settings.from_environment(REQUIRED | {"WORKERS": str(workers)})
    assert settings.poller_count == pollers


@pytest.mark.parametrize(
    ("variable", "taken", "refused"),
    [
        ("PORT", ["0", "65535"], ["-1", "65536"]),
        ("GATEWAY_URL", ["http://g", "https://g:1/path"], ["http:///path", "ftp://g", "x http://g", ""]),
        ("WORKERS", ["1", "1000"], ["0", "1001"]),
        ("POLLERS", ["0", "64"], ["-1", "65"]),
        ("VISIBILITY_SECONDS", ["1", "43200"], ["0", "43201"]),
        ("LEASE_SECONDS", ["0.002"], ["0", "nan"]),
        ("PAYMENT_TIMEOUT_SECONDS", ["0.001"], ["0", "-1"]),
        ("PATIENCE_SECONDS", ["0.001"], ["0"]),
        ("WAIT_SECONDS", ["0", "20"], ["-1", "21"]),
        ("MAX_RECEIVES", ["2", "1000"], ["1", "1001"]),
        ("DRAIN_SECONDS", ["0.002"], ["0"]),
        ("BREAKER_THRESHOLD", ["1"], ["0"]),
        ("BREAKER_COOL_DOWN_SECONDS", ["0.001"], ["0"]),
        ("STALL_SECONDS", ["0.001"], ["0"]),
    ],
)
def test_every_setting_has_its_bounds(variable: str, taken: list[str], refused: list[str]) -> None:
    for value in taken:
        settings = Settings.from_environment(LOOSE | {variable: value})
        read = getattr(settings, variable.lower().removesuffix("_seconds"))
        assert read == (timedelta(seconds=float(value)) if variable.endswith("_SECONDS") else type(read)(value))
    for value in refused:
        with pytest.raises(SettingsError) as caught:
            Settings.from_environment(LOOSE | {variable: value})
        assert caught.value.problems[0].startswith(f"{variable}: ")


@pytest.mark.parametrize("variable", sorted(REQUIRED))
def test_what_nobody_can_guess_is_required(variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(REQUIRED | {variable: ""})
    assert caught.value.problems == (f"{variable}: is required",)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    assert "Slots: the most payments at once (default 20)" in variables_help(Settings)


def test_a_number_of_pollers_that_is_given_is_taken() -> None:
    assert Settings.from_environment(REQUIRED | {"POLLERS": "1"}).poller_count == 1


def test_the_consumer_and_the_settler_are_told_every_time_in_its_unit() -> None:
    variables = {"WORKERS": "7", "WAIT_SECONDS": "3", "VISIBILITY_SECONDS": "50", "DRAIN_SECONDS": "41"}
    settings = Settings.from_environment(
        REQUIRED | variables | {"STALL_SECONDS": "11", "PATIENCE_SECONDS": "12", "BREAKER_COOL_DOWN_SECONDS": "13"}
    )
    assert settings.limits == ConsumerLimits(
        slots=7,
        pollers=2,
        wait=timedelta(seconds=3),
        visibility=timedelta(seconds=50),
        drain=timedelta(seconds=41),
        stall=timedelta(seconds=11),
    )
    assert (settings.payment_timeout, settings.lease) == (timedelta(seconds=10), timedelta(seconds=30))
    assert (settings.patience, settings.breaker_cool_down) == (timedelta(seconds=12), timedelta(seconds=13))


def test_a_payments_own_timeout_ends_five_seconds_before_its_connections_and_every_slot_has_one() -> None:
    settings = Settings.from_environment(REQUIRED | {"PAYMENT_TIMEOUT_SECONDS": "7", "WORKERS": "3"})
    limits = _gateway_limits(settings)
    assert (limits.connect_timeout, limits.read_timeout) == (timedelta(seconds=12), timedelta(seconds=12))
    assert (limits.connections, limits.keep_alive) == (4, timedelta(seconds=15))
