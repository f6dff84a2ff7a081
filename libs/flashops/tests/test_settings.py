"""Settings come from the environment and errors name the variable."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Self

import pytest
from pydantic import Field, SecretStr, ValidationError, model_validator

from flashops.command_line import load_settings, variables_help
from flashops.settings import Seconds, ServiceSettings, SettingsError


class Timed(ServiceSettings):
    lease: Annotated[timedelta, Seconds(gt=0)] = Field(default=timedelta(seconds=2.5), description="How long")
    pause: Annotated[timedelta, Seconds(ge=0, le=20, whole=True)] = Field(default=timedelta(0), description="How long")


class Example(ServiceSettings):
    orders_table: str = Field(description="Table of the orders")
    signing_key: SecretStr = Field(default=SecretStr("unset"), description="Signs things")
    linger_seconds: float = Field(default=0.5, gt=0, description="How long to wait")
    limit_seconds: float = Field(default=5.0, description="The most to wait")
    eager: bool = Field(default=True, description="Whether to hurry")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.linger_seconds >= self.limit_seconds:
            raise ValueError("LINGER_SECONDS must be smaller than LIMIT_SECONDS")
        return self


def test_fields_are_read_from_upper_case_variables() -> None:
    settings = Example.from_environment({"ORDERS_TABLE": "orders", "PORT": "81", "EAGER": "false", "OTHER": "x"})
    assert (settings.orders_table, settings.port, settings.eager) == ("orders", 81, False)


def test_nothing_must_be_said_of_what_every_service_has() -> None:
    settings = ServiceSettings.from_environment({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert (settings.log_level, settings.environment) == ("info", "local")
    assert (settings.max_connections, settings.head_timeout) == (4096, timedelta(seconds=10))


def test_an_empty_variable_counts_as_unset() -> None:
    settings = Example.from_environment({"ORDERS_TABLE": "orders", "PORT": "", "LINGER_SECONDS": "  "})
    assert (settings.port, settings.linger_seconds) == (8080, 0.5)


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        Example.from_environment({"ORDERS_TABLE": ""})
    assert caught.value.problems == ("ORDERS_TABLE: is required",)
    assert str(caught.value) == "ORDERS_TABLE: is required"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "65536"),
        ("LOG_LEVEL", "loud"),
        ("LINGER_SECONDS", "nan"),
        ("LIMIT_SECONDS", "inf"),
        ("LINGER_SECONDS", "0"),
        ("EAGER", "perhaps"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Example.from_environment({"ORDERS_TABLE": "orders", variable: value})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [variable]


def test_a_duration_is_read_from_a_number_of_seconds() -> None:
    settings = Timed.from_environment({"LEASE_SECONDS": "0.25", "PAUSE_SECONDS": "20"})
    assert (settings.lease, settings.pause) == (timedelta(milliseconds=250), timedelta(seconds=20))
    assert (Timed().lease, Timed().head_timeout) == (timedelta(seconds=2.5), timedelta(seconds=10))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *(("LEASE_SECONDS", value) for value in ("0", "-1", "nan", "inf", "1e300", "PT5S", "00:05", "soon")),
        *(("PAUSE_SECONDS", value) for value in ("-1", "21", "1.5", "inf")),
    ],
)
def test_a_wrong_duration_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{variable}: "):
        Timed.from_environment({variable: value})


def test_a_duration_beyond_all_durations_is_told_so() -> None:
    with pytest.raises(SettingsError) as caught:
        Timed.from_environment({"LEASE_SECONDS": "1e300"})
    assert caught.value.problems == ("LEASE_SECONDS: is longer than any duration",)


def test_the_largest_values_are_taken_and_no_larger_ones() -> None:
    largest = {"PORT": "65535", "MAX_CONNECTIONS": "100000", "HEAD_TIMEOUT_SECONDS": "75"}
    settings = ServiceSettings.from_environment(largest)
    assert (settings.port, settings.max_connections) == (65_535, 100_000)
    assert settings.head_timeout == timedelta(seconds=75)
    assert ServiceSettings.from_environment({"PORT": "0", "MAX_CONNECTIONS": "1"}).port == 0
    for name, value in (("PORT", "-1"), ("MAX_CONNECTIONS", "100001"), ("HEAD_TIMEOUT_SECONDS", "75.1")):
        with pytest.raises(SettingsError, match=f"^{name}: "):
            ServiceSettings.from_environment({name: value})


def test_help_shows_a_duration_as_its_variable_spells_it() -> None:
    (line,) = (line for line in variables_help(Timed).splitlines() if "LEASE" in line)
    assert line.split() == ["LEASE_SECONDS", "How", "long", "(default", "2.5)"]


def test_every_wrong_variable_is_reported_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Example.from_environment({"PORT": "x", "EAGER": "x"})
    assert len(caught.value.problems) == 3
    assert str(caught.value).splitlines() == list(caught.value.problems)


def test_a_check_over_two_fields_says_its_sentence() -> None:
    with pytest.raises(SettingsError, match=r"^LINGER_SECONDS must be smaller than LIMIT_SECONDS$"):
        Example.from_environment({"ORDERS_TABLE": "orders", "LINGER_SECONDS": "9"})


def test_secrets_show_in_no_representation() -> None:
    settings = Example.from_environment({"ORDERS_TABLE": "orders", "SIGNING_KEY": "hunter2"})
    assert "hunter2" not in repr(settings)
    assert settings.signing_key.get_secret_value() == "hunter2"


def test_a_value_that_is_refused_is_not_told() -> None:
    with pytest.raises(ValidationError) as caught:
        Example.model_validate({"orders_table": "orders", "port": "hunter2"})
    assert "hunter2" not in str(caught.value)


def test_settings_are_frozen() -> None:
    settings = Example.from_environment({"ORDERS_TABLE": "orders"})
    with pytest.raises(ValidationError):
        setattr(settings, "port", 1)  # noqa: B010 - the type checker refuses the plain assignment


def test_help_lists_every_variable_and_exits_cleanly(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load_settings(Example, program="example", description="An example.", argv=["--help"], environ={})
    shown = capsys.readouterr().out
    assert caught.value.code == 0
    assert all(name.upper() in shown for name in Example.model_fields)
    assert "Table of the orders (required)" in shown


def test_defaults_are_shown_but_secret_ones_are_not() -> None:
    shown = variables_help(Example)
    assert "(default 0.5)" in shown
    assert "  EAGER                        Whether to hurry (default true)\n" in shown
    assert shown.startswith("environment variables:\n")
    assert "unset" not in shown


def test_wrong_settings_exit_with_status_2_and_name_the_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load_settings(Example, program="example", description="", argv=[], environ={"PORT": "x"})
    errors = capsys.readouterr().err.splitlines()
    assert caught.value.code == 2
    assert errors[0].startswith("example: PORT: ")
    assert errors[1] == "example: ORDERS_TABLE: is required"


def test_an_unknown_argument_exits_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        load_settings(Example, program="example", description="", argv=["--what"], environ={})
    assert caught.value.code == 2
    assert "--what" in capsys.readouterr().err


def test_the_limits_of_a_port_are_settings() -> None:
    variables = {"ORDERS_TABLE": "orders", "MAX_CONNECTIONS": "7", "HEAD_TIMEOUT_SECONDS": "2.5"}
    limits = Example.from_environment(variables).connection_limits
    assert (limits.most, limits.head_timeout) == (7, timedelta(seconds=2.5))
    for name, value in (("MAX_CONNECTIONS", "0"), ("HEAD_TIMEOUT_SECONDS", "0"), ("HEAD_TIMEOUT_SECONDS", "76")):
        with pytest.raises(SettingsError, match=name):
            Example.from_environment({"ORDERS_TABLE": "orders", name: value})


class Renamed(ServiceSettings):
    old_variables: ClassVar[Mapping[str, str]] = {"OLD_SIZE": "SIZE", "OLD_NAME": "NAME"}
    size: int = Field(default=1, description="How large")
    name: str = Field(default="none", description="What it is called")


@pytest.mark.parametrize(
    ("environ", "size", "told"),
    [
        ({}, 1, {}),
        ({"SIZE": "2"}, 2, {}),
        ({"OLD_SIZE": "3"}, 3, {"OLD_SIZE": "SIZE"}),
        ({"OLD_SIZE": " ", "SIZE": "2"}, 2, {}),
        ({"OLD_SIZE": "3", "SIZE": "2"}, 3, {"OLD_SIZE": "SIZE"}),
    ],
)
def test_an_old_spelling_is_read_and_told(environ: dict[str, str], size: int, told: dict[str, str]) -> None:
    assert Renamed.from_environment(environ).size == size
    assert Renamed.old_variables_in(environ) == told


def test_a_wrong_value_is_named_by_the_spelling_it_has() -> None:
    with pytest.raises(SettingsError) as caught:
        Renamed.from_environment({"OLD_SIZE": "x", "SIZE": "2"})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["OLD_SIZE"]
