import subprocess
import sys
from datetime import timedelta

import pytest

from flashops.settings import SettingsError
from flashpay import Retention
from order_api.settings import Settings
from order_api.testing import SECRET, environment


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "order_api", *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - our own module


def test_the_defaults_are_those_that_the_design_names() -> None:
    settings = Settings.from_environment(environment(PUBLISH_LINGER_SECONDS=""))
    assert (settings.payment_timeout, settings.lease) == (timedelta(seconds=10), timedelta(seconds=30))
    assert (settings.sync_limit, settings.sync_wait) == (10, timedelta(seconds=1))
    assert settings.sync_deadline == timedelta(seconds=20)
    assert (settings.publish_linger.total_seconds(), settings.publish_timeout.total_seconds()) == (0.005, 0.8)
    assert (settings.body_limit_bytes, settings.sync_fallback) == (65_536, True)
    assert (settings.stock_table, settings.stock_refresh.total_seconds(), settings.stock_lease.total_seconds()) == (
        "",
        1,
        10,
    )
    assert settings.retention == Retention(announced=False, keep=None)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ORDERS_TOPIC_ARN", "orders"),
        ("ORDERS_TOPIC_ARN", ""),
        ("ORDER_ID_SECRET", "x" * 31),
        ("ORDER_ID_SECRET", ""),
        ("ORDER_ID_SECRET_PREVIOUS", "x" * 31),
        ("GATEWAY_URL", "ftp://gateway"),
        ("PRODUCTS_TABLE", ""),
        ("ORDERS_TABLE", ""),
        ("SYNC_LIMIT", "-1"),
        ("SYNC_LIMIT", "many"),
        ("SYNC_FALLBACK", "perhaps"),
        ("PUBLISH_TIMEOUT_SECONDS", "nan"),
        ("LEASE_SECONDS", "10"),
        ("STOCK_LEASE_SECONDS", "-7"),
        ("STOCK_REFRESH_SECONDS", "-1"),
        ("OUTCOMES_TOPIC_ARN", "outcomes"),
        ("ORDER_RETENTION_DAYS", "29"),
        ("PORT", "70000"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not_shown(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment(**{variable: value}))
    (problem,) = caught.value.problems
    assert problem.startswith(f"{variable}: ")
    assert not value or value not in problem.removeprefix(variable) or value == "10"


def test_the_secret_does_not_show_when_settings_are_printed() -> None:
    previous = SECRET[::-1]
    shown = repr(Settings.from_environment(environment(ORDER_ID_SECRET_PREVIOUS=previous)))
    assert SECRET not in shown
    assert previous not in shown


def test_the_shutdown_gives_sync_orders_their_time() -> None:
    settings = Settings.from_environment(environment(SYNC_DEADLINE_SECONDS="25"))
    assert settings.shutdown_timeout.total_seconds() > 25


def test_help_lists_every_variable() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(variable in done.stdout for variable in Settings.variables({}).values())


def test_a_missing_variable_ends_the_process_with_2() -> None:
    variables = environment()
    del variables["ORDER_ID_SECRET"]
    done = run(**variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == "python -m order_api: ORDER_ID_SECRET: is required"
