"""The reconciler's settings: what stands where nothing is said, and what is refused."""

from datetime import timedelta

import pytest

from flashops.settings import SettingsError
from order_processor.reconcile.__main__ import main
from order_processor.reconcile.settings import Settings

NEEDED = {
    "ORDERS_TABLE": "orders",
    "ORDERS_TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:orders",
    "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
    "GATEWAY_URL": "https://pay.example",
}


def test_only_the_places_must_be_named() -> None:
    settings = Settings.from_environment(NEEDED)
    assert settings.stock_table == ""
    assert (settings.lease, settings.payment_timeout) == (timedelta(seconds=30), timedelta(seconds=10))
    assert (settings.reconcile_after, settings.gateway_key_window) == (timedelta(minutes=15), timedelta(hours=24))
    assert (settings.reconcile_limit, settings.reconcile_time) == (10_000, timedelta(minutes=10))
    for name in NEEDED:
        with pytest.raises(SettingsError, match=name):
            Settings.from_environment({key: value for key, value in NEEDED.items() if key != name})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORDERS_TOPIC_ARN", "orders"),
        ("ORDERS_TOPIC_ARN", "arn:aws:sqs:eu-central-1:123456789012:orders"),
        ("GATEWAY_URL", "pay.example"),
        ("LEASE_SECONDS", "0"),
        ("PAYMENT_TIMEOUT_SECONDS", "-1"),
        ("RECONCILE_LIMIT", "0"),
        ("RECONCILE_TIME_SECONDS", "0"),
        ("RECONCILE_AFTER_SECONDS", "30"),
    ],
)
def test_what_cannot_be_meant_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment(NEEDED | {variable: value})


def test_the_least_that_can_be_meant_is_taken() -> None:
    least = {"RECONCILE_LIMIT": "1", "LEASE_SECONDS": "30", "RECONCILE_AFTER_SECONDS": "30.5"}
    settings = Settings.from_environment(NEEDED | least | {"PAYMENT_TIMEOUT_SECONDS": "0.001"})
    assert (settings.reconcile_limit, settings.reconcile_after) == (1, timedelta(seconds=30.5))
    assert settings.payment_timeout == timedelta(milliseconds=1)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in Settings.model_fields.values())


@pytest.mark.parametrize("flags", [[], ["--apply"], ["--charges"]])
def test_help_is_given_whatever_is_to_be_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    # It replaces the streams of the process, which are pytest's here.
    monkeypatch.setattr("order_processor.reconcile.__main__.guard_standard_streams", lambda: None)
    monkeypatch.setattr("sys.argv", ["reconcile", *flags, "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "RECONCILE_AFTER_SECONDS" in capsys.readouterr().out
