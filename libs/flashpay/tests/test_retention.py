"""What services are told of how long ended orders are kept."""

from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from flashpay import Retention
from flashpay.retention import RetentionDays, enough_days


@pytest.mark.parametrize(
    ("topic", "days", "retention"),
    [
        ("", 0, Retention()),
        ("", 30, Retention(keep=timedelta(days=30))),
        ("arn:topic", 0, Retention(announced=True)),
        ("arn:topic", 90, Retention(announced=True, keep=timedelta(days=90))),
    ],
)
def test_a_topic_is_told_first_and_days_are_kept_unless_there_are_none(
    topic: str, days: int, retention: Retention
) -> None:
    assert Retention.of_settings(outcomes_topic=topic, days=days) == retention


def test_orders_are_kept_for_ever_and_nobody_is_told_unless_somebody_says_so() -> None:
    assert (Retention().announced, Retention().keep) == (False, None)


@pytest.mark.parametrize("days", [0, 30, 36_500])
def test_a_month_is_enough_and_so_is_for_ever(days: int) -> None:
    assert enough_days(days) == days
    assert TypeAdapter(RetentionDays).validate_python(days) == days


@pytest.mark.parametrize("days", [1, 29])
def test_orders_whose_messages_may_outlive_them_are_refused(days: int) -> None:
    with pytest.raises(ValueError, match="must be 0 or at least 30"):
        enough_days(days)
    with pytest.raises(ValidationError, match="must be 0 or at least 30"):
        TypeAdapter(RetentionDays).validate_python(days)


def test_more_days_than_a_century_has_are_too_many() -> None:
    with pytest.raises(ValueError, match="must be at most 36500"):
        enough_days(36_501)


@pytest.mark.parametrize("days", [-1, 36_501])
def test_days_that_are_none_or_more_than_a_century_are_refused(days: int) -> None:
    with pytest.raises(ValidationError, match="than or equal to"):
        TypeAdapter(RetentionDays).validate_python(days)
