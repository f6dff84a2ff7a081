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
    assert (settings.catalogue_refresh, settings.body_timeout) == (timedelta(seconds=30), timedelta(seconds=10))
    assert (settings.gateway_key_window, settings.drain_grace) == (timedelta(hours=24), timedelta(seconds=1))
    assert (settings.operations_host, settings.operations_port) == ("127.0.0.1", 8079)
    assert settings.order_id_secret_previous is None


@pytest.mark.parametrize(
    ("variable", "least", "most", "too_little", "too_much"),
    [
        ("SYNC_LIMIT", "0", "10000", "-1", "10001"),
        ("SYNC_WAIT_SECONDS", "0", "3600", "-1", "3601"),
        ("SYNC_DEADLINE_SECONDS", "0.001", "3600", "0", "3601"),
        ("GATEWAY_KEY_WINDOW_SECONDS", "0.001", "7776000", "0", "7776001"),
        ("PUBLISH_LINGER_SECONDS", "0", "1", "-1", "1.001"),
        ("BODY_LIMIT_BYTES", "1", "1048576", "0", "1048577"),
        ("OPERATIONS_PORT", "0", "65535", "-1", "65536"),
        ("DRAIN_GRACE_SECONDS", "0", "300", "-1", "301"),
    ],
)
def test_a_number_is_taken_from_its_least_to_its_most(
    variable: str, least: str, most: str, too_little: str, too_much: str
) -> None:
    (name,) = (name for name, known in Settings.variables({}).items() if known == variable)
    for value in (least, most):
        taken = getattr(Settings.from_environment(environment(**{variable: value})), name)
        assert (taken.total_seconds() if isinstance(taken, timedelta) else taken) == float(value)
    for value in (too_little, too_much):
        with pytest.raises(SettingsError, match=f"{variable}: "):
            Settings.from_environment(environment(**{variable: value}))


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


@pytest.mark.parametrize(("deadline", "seconds"), [("20", 20), ("3", 1 + 10)])
def test_the_shutdown_gives_every_request_the_longest_that_it_may_take_and_a_second(
    deadline: str, seconds: int
) -> None:
    settings = Settings.from_environment(environment(SYNC_DEADLINE_SECONDS=deadline))
    # Its settlement, then what its key and its publish may take, 0.8 s each.
    assert settings.shutdown_timeout == timedelta(seconds=seconds + 2 * 0.8 + 1)


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
