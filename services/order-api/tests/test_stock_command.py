"""`python -m order_api.stock`: what it prints, what it refuses, and that a refusal changes nothing."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import order_api.stock
from flashbus.clients import aws_client
from flashstock.dynamo import dynamo_stock
from flashstock.errors import StockError, StockUnavailableError
from flashstock.leases import NOTHING
from flashstock.levels import StockLevel
from flashstock.stock import Stock
from flashstock.table import Update, Write
from flashstock.testing.memory import memory_stock
from local.emulator import RunningEmulator
from order_api.dynamo_products import DynamoProducts
from order_api.stock import StockCommand, main, parser
from order_api.testing import PEN, FakeProducts

KEYS = {"products": "product_id", "stock": "id"}


def run(*arguments: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "order_api.stock", *arguments]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - our own module


@pytest.fixture
async def dynamo(aws: None) -> AsyncIterator[Any]:  # noqa: ARG001 - `aws` sets the variables
    async with aws_client("dynamodb") as client:
        yield client


@pytest.fixture
async def tables(dynamo: Any) -> dict[str, str]:  # noqa: ANN401 - botocore clients are untyped
    """A catalogue with a pen, and an empty stock table."""
    names = {f"{kind.upper()}_TABLE": f"{kind}-{uuid.uuid4().hex[:8]}" for kind in KEYS}
    for kind, key in KEYS.items():
        await dynamo.create_table(
            TableName=names[f"{kind.upper()}_TABLE"],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    pen = {"product_id": {"S": "pen"}, "name": {"S": "Pen"}, "unit_price_minor": {"N": "250"}}
    await dynamo.put_item(TableName=names["PRODUCTS_TABLE"], Item={**pen, "currency": {"S": "EUR"}})
    return names


@pytest.fixture
def stock(dynamo: Any, tables: Mapping[str, str]) -> Stock:  # noqa: ANN401 - the same
    return dynamo_stock(client=dynamo, table=tables["STOCK_TABLE"])


@pytest.fixture
def command(dynamo: Any, stock: Stock, tables: Mapping[str, str]) -> StockCommand:  # noqa: ANN401 - the same
    products = DynamoProducts(client=dynamo, table=tables["PRODUCTS_TABLE"])
    return StockCommand(counters=stock.counters, products=products)


@pytest.mark.embedded_aws
async def test_a_limit_is_set_shown_and_raised(command: StockCommand) -> None:
    said = [
        await command.run(parser().parse_args(line.split()))
        for line in (
            "show",
            "show pen",
            "set pen 100 --customer-limit 2",
            "add pen 5",
            "show",
            "set pen 90 --customer-limit 0",
            "set pen 0",
        )
    ]
    assert said == [
        "no product is limited",
        "pen: not limited",
        "pen: 100 in all, 100 available, 0 reserved, 0 sold; at most 2 a customer",
        "pen: 105 in all, 105 available, 0 reserved, 0 sold; at most 2 a customer",
        "pen: 105 in all, 105 available, 0 reserved, 0 sold; at most 2 a customer",
        "pen: 90 in all, 90 available, 0 reserved, 0 sold",
        "pen: 0 in all, 0 available, 0 reserved, 0 sold",
    ]


async def test_a_product_is_limited_before_the_catalogue_has_it_when_that_is_said() -> None:
    stock = memory_stock()
    command = StockCommand(counters=stock.counters, products=FakeProducts(PEN))
    with pytest.raises(StockError, match="there is no product 'lamp'"):
        await command.run(parser().parse_args(["set", "lamp", "100"]))
    assert await stock.counters.all() == []
    said = await command.run(parser().parse_args(["set", "lamp", "100", "--before-catalogue"]))
    assert said == (
        "lamp: 100 in all, 100 available, 0 reserved, 0 sold"
        "; not in the catalogue yet, and limited from its first order on"
    )
    said = await command.run(parser().parse_args(["set", "pen", "5", "--before-catalogue"]))
    assert said == "pen: 5 in all, 5 available, 0 reserved, 0 sold"


@pytest.mark.parametrize("name", ["Lamp", "lamp ", "", "l" * 65, "-lamp", "lämp"])
async def test_what_no_row_could_have_as_its_id_is_refused_before_the_catalogue_too(name: str) -> None:
    stock = memory_stock()
    command = StockCommand(counters=stock.counters, products=FakeProducts(PEN))
    with pytest.raises(StockError, match="is no product id"):
        await command.run(parser().parse_args(["set", "--before-catalogue", "--", name, "100"]))
    assert await stock.counters.all() == []


@pytest.mark.embedded_aws
async def test_it_runs_as_a_program(embedded_aws: RunningEmulator, tables: Mapping[str, str], stock: Stock) -> None:
    variables = embedded_aws.environment | dict(tables)
    done = run("set", "pen", "100", variables=variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "pen: 100 in all, 100 available, 0 reserved, 0 sold\n"
    refused = run("add", "pencil", "1", variables=variables)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "python -m order_api.stock: there is no product 'pencil'\n"
    assert [level.total for level in await stock.counters.all()] == [100]


@pytest.mark.embedded_aws
async def test_a_row_that_is_no_product_is_told_beside_the_answer(
    embedded_aws: RunningEmulator,
    dynamo: Any,  # noqa: ANN401 - botocore clients are untyped
    tables: Mapping[str, str],
) -> None:
    await dynamo.put_item(TableName=tables["PRODUCTS_TABLE"], Item={"product_id": {"S": "pencil"}})
    done = run("show", "pen", variables=embedded_aws.environment | dict(tables))
    assert (done.returncode, done.stdout) == (0, "pen: not limited\n")
    assert "product_invalid" in done.stderr
    assert "pencil" in done.stderr


def test_a_variable_that_leads_nowhere_is_said_in_one_sentence() -> None:
    nowhere = {"STOCK_TABLE": "s", "PRODUCTS_TABLE": "p", "AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "nonsense"}
    done = run("show", variables=nowhere)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "python -m order_api.stock: Invalid endpoint configuration: Invalid endpoint: nonsense\n"


def test_credentials_that_cannot_be_renewed_are_said_in_one_sentence(tmp_path: Path) -> None:
    keys = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t"}
    (tmp_path / "keys").write_text(json.dumps(keys | {"Expiration": "2001-01-01T00:00:00Z"}))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path}/keys\n")
    variables = {"STOCK_TABLE": "s", "PRODUCTS_TABLE": "p", "AWS_REGION": "eu-west-1"}
    done = run("show", variables=variables | {"AWS_CONFIG_FILE": str(tmp_path / "config")})
    assert (done.returncode, done.stdout) == (1, "")
    *_, sentence = done.stderr.splitlines()
    assert sentence.startswith("python -m order_api.stock: DynamoDB is out of reach")
    assert "still expired" in sentence
    assert "Traceback" not in done.stderr


@pytest.mark.embedded_aws
@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("set pencil 5", "there is no product 'pencil'"),
        ("add pencil 5", "there is no product 'pencil'"),
        ("show pencil", "there is no product 'pencil'"),
        ("set pen 2", "3 units of pen are reserved or sold"),
        ("add pen 1000000000", "its total would be above"),
    ],
)
async def test_what_is_refused_changes_nothing(
    embedded_aws: RunningEmulator, tables: Mapping[str, str], stock: Stock, line: str, sentence: str
) -> None:
    await stock.counters.set_total("pen", 5)
    await stock.sessions.open("s1", owner="test", slots=1)
    await stock.leases.change("pen", "s1", NOTHING, by=3)
    done = run(*line.split(), variables=embedded_aws.environment | dict(tables))
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    expected = StockLevel(product_id="pen", total=5, available=2, reserved=3, sold=0)
    assert await stock.counters.all() == [expected]


@pytest.mark.parametrize("units", ["-1", "1.5", "1e3", "many", "", "1000000001", "9" * 5_000, "١٢", "1_0", "+1", " 1"])
@pytest.mark.parametrize("arguments", [["set", "pen"], ["add", "pen"], ["set", "pen", "5", "--customer-limit"]])
def test_what_is_no_number_of_units_is_named(
    capsys: pytest.CaptureFixture[str], arguments: list[str], units: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*arguments, units])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "is no whole number from" in said or "expected one argument" in said
    assert len(said) < 1_000


def test_a_long_number_is_named_by_its_beginning_with_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    for command, least in (("set", 0), ("add", 1)):
        with pytest.raises(SystemExit):
            parser().parse_args([command, "pen", "9" * 99])
        said = capsys.readouterr().err
        assert said.endswith(f"UNITS: '{'9' * 40}' is no whole number from {least} to 1000000000\n")


def test_nothing_at_all_cannot_be_added() -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["add", "pen", "0"])


def test_help_names_commands_variables_and_exit_status() -> None:
    done = run("--help", variables={})
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("show", "set", "add", "STOCK_TABLE", "PRODUCTS_TABLE", "exit status"))


@pytest.mark.parametrize(
    ("command", "usage"),
    [
        ("show", "show [-h] [PRODUCT ...]"),
        ("set", "set [-h] [--before-catalogue] [--customer-limit N] PRODUCT UNITS"),
        ("add", "add [-h] PRODUCT UNITS"),
    ],
)
def test_every_command_shows_how_it_is_written(capsys: pytest.CaptureFixture[str], command: str, usage: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    shown, _, _ = capsys.readouterr().out.partition("\n\n")
    assert " ".join(shown.split()) == f"usage: python -m order_api.stock {usage}"


def test_a_command_is_wanted() -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([])
    assert ended.value.code == 2


def test_missing_variables_are_named() -> None:
    done = run("show", variables={"STOCK_TABLE": " "})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "python -m order_api.stock: PRODUCTS_TABLE: is required",
        "python -m order_api.stock: STOCK_TABLE: is required",
    ]


@pytest.mark.embedded_aws
def test_a_table_out_of_reach_is_said_in_one_sentence(embedded_aws: RunningEmulator) -> None:
    nowhere = {"STOCK_TABLE": "no-such-table", "PRODUCTS_TABLE": "no-such-table"}
    done = run("show", variables=embedded_aws.environment | nowhere)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "known"),
    [
        (StockUnavailableError("the table is down", reason="connection"), "it is not known whether .* is changed"),
        (StockUnavailableError("the table is down", reason="access", certain=True), "the customer limit is as it was"),
    ],
)
async def test_a_total_that_is_set_is_told_although_its_limit_is_not(error: StockError, known: str) -> None:
    async def no_limits(_place: str, writes: Sequence[Write]) -> None:
        if any(isinstance(write, Update) and ("customer_limit",) in write.assign for write in writes):
            raise error

    stock = memory_stock(checkpoint=no_limits)
    command = StockCommand(counters=stock.counters, products=FakeProducts(PEN))
    with pytest.raises(StockError, match=rf"^pen: 7 in all.*; {known}: the table is down$"):
        await command.run(parser().parse_args(["set", "pen", "7", "--customer-limit", "2"]))
    assert (await stock.counters.all())[0].total == 7


@pytest.mark.embedded_aws
@pytest.mark.parametrize("line", ["set pen 5", "add pen 5"])
def test_a_table_that_is_not_there_is_said_to_change_nothing(
    embedded_aws: RunningEmulator, tables: Mapping[str, str], line: str
) -> None:
    done = run(*line.split(), variables=embedded_aws.environment | dict(tables) | {"STOCK_TABLE": "no-such-table"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("; nothing is changed\n")


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (
            ["add", "pen", "3"],
            StockUnavailableError("no answer", reason="timeout"),
            "; it is not known whether anything is changed: show tells",
        ),
        (
            ["add", "pen", "3"],
            StockUnavailableError("refused", reason="bad_request", certain=True),
            "; nothing is changed",
        ),
        (["add", "pen", "3"], StockError("pen is not limited"), ""),
        (["show"], StockUnavailableError("no answer", reason="timeout"), ""),
    ],
)
def test_a_change_that_failed_is_said_to_be_none_or_in_doubt(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: StockError,
    said: str,
) -> None:
    async def fails(*_arguments: object) -> str:
        raise error

    monkeypatch.setattr(order_api.stock, "_carry_out", fails)
    assert main(arguments, {"PRODUCTS_TABLE": "products", "STOCK_TABLE": "stock"}) == 1
    assert capsys.readouterr().err == f"python -m order_api.stock: {error}{said}\n"
