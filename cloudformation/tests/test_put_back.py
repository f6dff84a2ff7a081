"""What a table lost comes back from a restored one, and what it has stays."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.session import get_session

from cloudformation.delivery.put_back import main, put_back
from local.emulator import RunningEmulator


@pytest.fixture
def tables(embedded_aws: RunningEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client, and two tables: one restored with two items, one in use that has the first in a newer state."""
    for name, value in embedded_aws.environment.items():
        monkeypatch.setenv(name, value)
    client = get_session().create_client("dynamodb")
    for name in ("restored", "in-use"):
        client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
    for order_id in ("ord_1", "ord_2"):
        client.put_item(TableName="restored", Item=order(order_id, "processing"))
    client.put_item(TableName="in-use", Item=order("ord_1", "completed"))
    yield client
    for name in ("restored", "in-use"):
        client.delete_table(TableName=name)


def order(order_id: str, status: str) -> dict[str, Any]:
    return {"order_id": {"S": order_id}, "status": {"S": status}}


def statuses(client: Any) -> dict[str, str]:  # noqa: ANN401  # botocore's clients are made at run time
    items = client.scan(TableName="in-use", ConsistentRead=True)["Items"]
    return {item["order_id"]["S"]: item["status"]["S"] for item in items}


@pytest.mark.embedded_aws
def test_what_is_missing_comes_back_and_what_is_there_stays(tables: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401  # the same
    assert main(["restored", "in-use"]) == 0
    assert capsys.readouterr().out == "1 put back, 1 stayed as they are\n"
    assert statuses(tables) == {"ord_1": "completed", "ord_2": "processing"}


@pytest.mark.embedded_aws
def test_a_catalogue_may_go_back_as_a_whole(tables: Any) -> None:  # noqa: ANN401  # the same
    assert put_back(tables, restored="restored", table="in-use", replace=True) == (2, 0)
    assert statuses(tables) == {"ord_1": "processing", "ord_2": "processing"}


@pytest.mark.embedded_aws
def test_a_table_that_is_not_there_is_a_sentence(tables: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ANN401  # the same
    assert main(["restored", "nowhere"]) == 1
    assert "the same call puts back the rest" in capsys.readouterr().err
    assert statuses(tables) == {"ord_1": "completed"}


def test_a_table_is_not_put_back_into_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["orders", "orders", "--replace"])
    assert exit_.value.code == 2
    assert "cannot be put back into itself" in capsys.readouterr().err
