"""`python -m load plan` as a user meets it."""

import argparse
import json
from itertools import pairwise
from pathlib import Path

import pytest

from load.model import plan_command
from load.model.prices import DEFAULT_PRICES

SALE = ("--rate", "60", "--payment", "3", "--wait", "60", "--burst", "3600")
SHORT = (*SALE, "--burst", "60")


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


def test_overrides_are_what_a_deployment_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE, "--overhead", "0", "--overrides") == 0
    assert capsys.readouterr().out.split() == [
        "Workers=100",
        "GatewayCapacity=200",
        "SyncPayments=0",
        "PaymentSeconds=3",
        "AcceptableWaitSeconds=60",
        "PreScale=true",
    ]


def test_json_holds_the_parameters_of_a_dated_sale(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE, "--start", "2027-11-27T10:00:00+01:00", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parameters"] == {
        "Workers": "100",
        "GatewayCapacity": "200",
        "SyncPayments": "0",
        "PaymentSeconds": "3",
        "AcceptableWaitSeconds": "60",
        "PreScale": "false",
        "SaleStart": "2027-11-27T08:50:00",
        "SaleEnd": "2027-11-27T10:00:00",
        "SaleOrdersPerSecond": "100",
        "MaximumApiTasks": "10",
    }
    assert document["workers_needed"] == 179
    assert {limit["remedy"] for limit in document["limits"]} == {None}


def test_a_plan_in_markdown_is_tables_under_headings(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE, "--markdown") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("## Sale: 60 orders/s for 3,600 s")
    assert "| workers needed | 179 | " in "\n".join(lines)
    for first, second in pairwise(lines):
        if first.startswith("|") and second.startswith("|"):
            assert first.count("|") == second.count("|")


def test_what_binds_is_named_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("--rate", "5000", "--payment", "3", "--wait", "60", "--burst", "3600") == 0
    printed = capsys.readouterr().out
    assert "What stands in its way" in printed
    assert "payments at once: ask the payment provider for 14,840 payments at once, and a second stack" in printed
    assert "functions at once (lambda): ask for quota L-B99A9384 (concurrent executions) of 15,175" in printed


def test_a_sale_of_a_month_is_told_in_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("--rate", "0.1", "--payment", "3", "--wait", "60", "--burst", "2592000") == 0
    printed = capsys.readouterr().out
    assert "⌈0.1×2592000×3.015/2592056.985⌉" in printed
    assert "the last customer of 2,592,000 s may wait 60 s" in printed
    assert "e+" not in printed


def test_a_rate_of_almost_nothing_has_a_plan_if_an_order_comes(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute("--rate", "1e-12", "--payment", "3", "--wait", "60", "--burst", "3600") == 0
    assert "workers needed                   1  " in capsys.readouterr().out


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
        ("--start", "soon"),
        ("--orders-per-vcpu", "0"),
    ],
)
def test_bad_input_names_the_option_and_exits_2(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        execute(*SALE, f"{option}={value}")
    assert stopped.value.code == 2
    assert f"argument {option}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("--wait", "1"), "--wait"),
        (("--gateway-capacity", "5"), "--gateway-capacity"),
        (("--orders-per-month", "5"), "--orders-per-month"),
        (("--start", "9999-12-31T23:59:59"), "--start"),
        (("--start", "1999-12-31"), "--start"),
        (("--rate", "1e300"), "--rate"),
        (("--burst", "1e300"), "--burst"),
    ],
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
    [
        ("--no-free-tier",),
        ("--architecture", "x86_64"),
        ("--orders-per-month", "2000000"),
        ("--overhead", "0.5"),
        ("--orders-per-vcpu", "50"),
    ],
)
def test_every_option_changes_the_answer(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SHORT) == 0
    plain = capsys.readouterr().out
    assert execute(*SHORT, *options) == 0
    assert capsys.readouterr().out != plain


def test_another_price_list_changes_the_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "prices.toml"
    listed = DEFAULT_PRICES.read_text(encoding="utf-8").replace("us-east-1", "eu-west-1")
    file.write_text(listed, encoding="utf-8")
    assert execute(*SHORT, "--prices", str(file)) == 0
    assert "eu-west-1" in capsys.readouterr().out


def test_what_the_template_cannot_hold_is_told_beside_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(*SALE, "--wait", "7200", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["parameters"]["AcceptableWaitSeconds"] == "3600"
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
    assert "--overrides and --json refuse" in needs
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
