"""`python -m load plan` as a user meets it."""

import argparse
import json
from pathlib import Path

import pytest

from load.model import plan_command
from load.model.prices import DEFAULT_PRICES

SALE = ("--rate", "60", "--payment", "3", "--wait", "60", "--burst", "3600")


def execute(*arguments: str) -> int:
    parser = argparse.ArgumentParser(prog="load plan")
    plan_command.add_arguments(parser)
    return plan_command.run(parser.parse_args(arguments))


def test_the_table_answers_every_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE) == 0
    printed = capsys.readouterr().out
    for answer in ("workers needed", "tasks", "peak backlog", "last customer's wait", "backlog per task", "lambda-sqs"):
        assert answer in printed
    assert "us-east-1" in printed


def test_json_is_a_list_of_parameter_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE, "--overhead", "0", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [
        "Workers=100",
        "GatewayCapacity=200",
        "SyncPayments=0",
        "PaymentSeconds=3",
        "AcceptableWaitSeconds=60",
        "PreScale=true",
    ]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "many"),
        ("--rate", "0"),
        ("--payment", "nan"),
        ("--wait", "-1"),
        ("--burst", "inf"),
        ("--overhead", "-0.1"),
        ("--workers-per-task", "0"),
        ("--gateway-capacity", "1.5"),
        ("--orders-per-month", "-1"),
        ("--architecture", "mips"),
    ],
)
def test_bad_input_names_the_option_and_exits_2(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        execute(*SALE, f"{option}={value}")
    assert stopped.value.code == 2
    assert f"argument {option}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "option"), [(("--wait", "1"), "--wait"), (("--gateway-capacity", "5"), "--gateway-capacity")]
)
def test_options_that_contradict_each_other_are_named(
    arguments: tuple[str, str], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(*SALE, *arguments) == 2
    printed = capsys.readouterr()
    assert f"argument {option}:" in printed.err
    assert printed.out == ""


def test_a_bad_price_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE, "--prices", str(tmp_path / "none.toml")) == 2
    assert "argument --prices" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [("--no-free-tier",), ("--architecture", "x86_64"), ("--orders-per-month", "2000000"), ("--overhead", "0.5")],
)
def test_every_option_changes_the_answer(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE) == 0
    plain = capsys.readouterr().out
    assert execute(*SALE, *options) == 0
    assert capsys.readouterr().out != plain


def test_another_price_list_changes_the_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prices.toml"
    listed = DEFAULT_PRICES.read_text(encoding="utf-8").replace("us-east-1", "eu-west-1")
    file.write_text(listed, encoding="utf-8")
    assert execute(*SALE, "--prices", str(file)) == 0
    assert "eu-west-1" in capsys.readouterr().out


def test_what_the_template_cannot_hold_is_told_beside_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE, "--wait", "7200", "--json") == 0
    printed = capsys.readouterr()
    assert "AcceptableWaitSeconds=3600" in json.loads(printed.out)
    assert "note: AcceptableWaitSeconds" in printed.err


TOO_LARGE = ("--rate", "600", "--payment", "3", "--wait", "60", "--burst", "600")


def test_json_of_a_sale_that_the_template_cannot_hold_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*TOO_LARGE, "--json") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    for told in ("error: GatewayCapacity:", "500 workers", "needs 1,652", "1,572 s"):
        assert told in printed.err


def test_the_table_tells_what_the_template_holds_beside_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*TOO_LARGE) == 0
    needs, _, holds = capsys.readouterr().out.partition("What the template holds")
    rows = [line.split() for line in holds.splitlines()]
    assert "17 tasks" in needs
    assert "at most" not in needs
    assert "--json refuses" in needs
    assert ["at", "most", "5", "tasks"] in [row[:4] for row in rows]
    assert ["begins", "the", "sale", "with", "5", "tasks"] in [row[:6] for row in rows]
    assert "1,571.6 s  TOO LONG for 60 s" in holds


def test_the_table_of_a_sale_that_fits_begins_with_as_many_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE) == 0
    printed = capsys.readouterr().out
    assert "TOO LONG" not in printed
    assert "all of them, until PreScale=false is deployed" in printed
    assert "95 % of Poisson sales add ≤ 0.12 s (no lasting queue" in printed


def test_the_help_tells_when_json_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        execute("--help")
    assert "exits 2" in " ".join(capsys.readouterr().out.split())
