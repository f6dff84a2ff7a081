"""The function's settings, read once from its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from flashbus.counts import read_count
from flashpay import Retention, enough_days

SERVICE = "lambda-handler"

# As long as SQS can hide the message of an order.
_LONGEST_LEASE = timedelta(hours=12)
_MOST_RECEIVES = 1_000


class SettingsError(Exception):
    """A variable that is missing or cannot be used; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the function is told.

    Without `dead_letter_queue_url` poison from a queue is left to the queue's own redrive. Without `stock_table`
    nothing is limited, without `outcomes_topic_arn` nobody is told how orders end.
    """

    orders_table: str
    gateway_url: str
    region: str
    payment_timeout: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=30)
    gateway_key_window: timedelta = timedelta(hours=24)
    dead_letter_queue_url: str | None = None
    max_receives: int = 100
    stock_table: str | None = None
    outcomes_topic_arn: str | None = None
    order_retention_days: int = 0

    def __post_init__(self) -> None:
        """Refuse times that do not go together."""
        if self.lease > _LONGEST_LEASE:
            raise SettingsError(f"LEASE_SECONDS must be at most {_LONGEST_LEASE.total_seconds():g}")
        if self.lease <= self.payment_timeout:
            raise SettingsError("LEASE_SECONDS must be longer than PAYMENT_TIMEOUT_SECONDS")

    @property
    def retention(self) -> Retention:
        """What is left to do with an order that has ended."""
        return Retention.of_settings(outcomes_topic=self.outcomes_topic_arn or "", days=self.order_retention_days)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the environment; an empty variable counts as unset.

        Raises:
            SettingsError: Naming the variable.
        """
        return cls(
            orders_table=_required(environ, "ORDERS_TABLE"),
            gateway_url=_required(environ, "GATEWAY_URL"),
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
            payment_timeout=_duration(environ, "PAYMENT_TIMEOUT_SECONDS", cls.payment_timeout),
            lease=_duration(environ, "LEASE_SECONDS", cls.lease),
            gateway_key_window=_duration(environ, "GATEWAY_KEY_WINDOW_SECONDS", cls.gateway_key_window),
            dead_letter_queue_url=environ.get("DEAD_LETTER_QUEUE_URL") or None,
            max_receives=_count(environ, "MAX_RECEIVES", cls.max_receives),
            stock_table=environ.get("STOCK_TABLE") or None,
            outcomes_topic_arn=environ.get("OUTCOMES_TOPIC_ARN") or None,
            order_retention_days=_days(environ, "ORDER_RETENTION_DAYS"),
        )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _duration(environ: Mapping[str, str], name: str, default: timedelta) -> timedelta:
    try:
        return timedelta(seconds=_positive(environ, name, default.total_seconds()))
    except OverflowError:
        raise SettingsError(f"{name} is longer than any duration") from None


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    count = read_count(text)
    if count is None or not 1 <= count <= _MOST_RECEIVES:
        raise SettingsError(f"{name} must be a whole number from 1 to {_MOST_RECEIVES}, not {text!r}")
    return count


def _days(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name) or "0"
    days = read_count(text)
    if days is None:
        raise SettingsError(f"{name} must be a number of days, not {text!r}")
    try:
        return enough_days(days)
    except ValueError as error:
        raise SettingsError(f"{name} {error}") from None


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        raise SettingsError(f"{name} must be a number, not {text!r}") from None
    if not 0 < number < float("inf"):
        raise SettingsError(f"{name} must be above 0, not {text}")
    return number
