from datetime import timedelta

import pytest

from flashpay import Retention
from lambda_handler.settings import Settings, SettingsError

NEEDED = {"ORDERS_TABLE": "orders", "GATEWAY_URL": "http://gateway.test"}


def test_defaults_follow_the_design() -> None:
    settings = Settings.from_environment(NEEDED)
    assert (settings.payment_timeout, settings.lease) == (timedelta(seconds=10), timedelta(seconds=30))
    assert (settings.dead_letter_queue_url, settings.max_receives, settings.stock_table) == (None, 100, None)
    assert settings.retention == Retention(announced=False, keep=None)
    assert settings == Settings(orders_table="orders", gateway_url="http://gateway.test", region="us-east-1")


def test_what_is_set_is_taken() -> None:
    settings = Settings.from_environment(
        NEEDED
        | {
            "AWS_REGION": "eu-central-1",
            "PAYMENT_TIMEOUT_SECONDS": "0.5",
            "LEASE_SECONDS": "0.75",
            "GATEWAY_KEY_WINDOW_SECONDS": "3600",
            "DEAD_LETTER_QUEUE_URL": "http://queue.test",
            "MAX_RECEIVES": "7",
            "STOCK_TABLE": "stock",
            "OUTCOMES_TOPIC_ARN": "arn:aws:sns:eu-central-1:1:outcomes",
            "ORDER_RETENTION_DAYS": "400",
        }
    )
    assert settings == Settings(
        orders_table="orders",
        gateway_url="http://gateway.test",
        region="eu-central-1",
        payment_timeout=timedelta(milliseconds=500),
        lease=timedelta(milliseconds=750),
        gateway_key_window=timedelta(hours=1),
        dead_letter_queue_url="http://queue.test",
        max_receives=7,
        stock_table="stock",
        outcomes_topic_arn="arn:aws:sns:eu-central-1:1:outcomes",
        order_retention_days=400,
    )
    assert settings.retention == Retention(announced=True, keep=timedelta(days=400))


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-central-1"),
    ],
)
def test_the_region_is_that_of_the_environment(variables: dict[str, str], region: str) -> None:
    assert Settings.from_environment(NEEDED | variables).region == region


def test_an_empty_variable_counts_as_unset() -> None:
    settings = Settings.from_environment(NEEDED | {"DEAD_LETTER_QUEUE_URL": "", "STOCK_TABLE": "", "LEASE_SECONDS": ""})
    assert (settings.dead_letter_queue_url, settings.stock_table) == (None, None)
    assert settings.lease == timedelta(seconds=30)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"ORDERS_TABLE": ""}, "ORDERS_TABLE is not set"),
        ({"GATEWAY_URL": ""}, "GATEWAY_URL is not set"),
        ({"LEASE_SECONDS": "soon"}, "LEASE_SECONDS must be a number"),
        ({"LEASE_SECONDS": "nan"}, "LEASE_SECONDS must be above 0"),
        ({"LEASE_SECONDS": "inf"}, "LEASE_SECONDS must be above 0, not inf"),
        ({"MAX_RECEIVES": "0"}, "MAX_RECEIVES must be a whole number from 1 to 1000, not '0'"),
        ({"PAYMENT_TIMEOUT_SECONDS": "-1"}, "PAYMENT_TIMEOUT_SECONDS must be above 0"),
        ({"ORDER_RETENTION_DAYS": "29"}, "ORDER_RETENTION_DAYS must be 0 or at least 30"),
        ({"ORDER_RETENTION_DAYS": "-1"}, "ORDER_RETENTION_DAYS must be a number of days, not '-1'"),
        ({"ORDER_RETENTION_DAYS": "36501"}, "ORDER_RETENTION_DAYS must be at most 36500"),
        ({"ORDER_RETENTION_DAYS": "9" * 5_000}, "ORDER_RETENTION_DAYS must be a number of days"),
        ({"MAX_RECEIVES": "0.4"}, "MAX_RECEIVES must be a whole number from 1 to 1000, not '0.4'"),
        ({"MAX_RECEIVES": "1001"}, "MAX_RECEIVES must be a whole number from 1 to 1000, not '1001'"),
        ({"MAX_RECEIVES": "9" * 5_000}, "MAX_RECEIVES must be a whole number from 1 to 1000"),
        ({"LEASE_SECONDS": "43201"}, "LEASE_SECONDS must be at most 43200"),
        ({"GATEWAY_KEY_WINDOW_SECONDS": "1e300"}, "GATEWAY_KEY_WINDOW_SECONDS is longer than any duration"),
        ({"LEASE_SECONDS": "10"}, "LEASE_SECONDS must be longer than PAYMENT_TIMEOUT_SECONDS"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variables: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Settings.from_environment(NEEDED | variables)
