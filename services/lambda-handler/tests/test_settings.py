from datetime import timedelta

import pytest

from lambda_handler.settings import Settings, SettingsError

NEEDED = {"ORDERS_TABLE": "orders", "GATEWAY_URL": "http://gateway.test"}


def test_defaults_follow_the_design() -> None:
    settings = Settings.from_environment(NEEDED)
    assert (settings.payment_timeout, settings.lease) == (timedelta(seconds=10), timedelta(seconds=30))
    assert settings.dead_letter_queue_url is None


def test_an_empty_variable_counts_as_unset() -> None:
    settings = Settings.from_environment(NEEDED | {"DEAD_LETTER_QUEUE_URL": "", "LEASE_SECONDS": ""})
    assert settings.dead_letter_queue_url is None
    assert settings.lease == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"ORDERS_TABLE": ""}, "ORDERS_TABLE is not set"),
        ({"GATEWAY_URL": ""}, "GATEWAY_URL is not set"),
        ({"LEASE_SECONDS": "soon"}, "LEASE_SECONDS must be a number"),
        ({"LEASE_SECONDS": "nan"}, "LEASE_SECONDS must be above 0"),
        ({"PAYMENT_TIMEOUT_SECONDS": "-1"}, "PAYMENT_TIMEOUT_SECONDS must be above 0"),
        ({"LEASE_SECONDS": "10"}, "LEASE_SECONDS must be longer than PAYMENT_TIMEOUT_SECONDS"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Settings.from_environment(NEEDED | variables)
