"""What the tables in memory and in DynamoDB do alike."""

from typing import Literal

import pytest

from flashstock.table import Check, ConditionFailedError, Delete, Item, Put, StockTable, Update, Value, Where

THING: Item = {"id": "thing", "n": 3, "name": "x", "map": {"a.b": {"units": 1}}, "set": frozenset({"one"}), "yes": True}


@pytest.fixture
async def table_with_thing(table: StockTable) -> StockTable:
    await table.write(Put(item=THING))
    return table


async def test_an_item_is_read_as_it_was_written(table_with_thing: StockTable) -> None:
    assert await table_with_thing.read(["thing", "nothing"]) == {"thing": THING}


async def test_more_than_a_hundred_items_are_read_at_once(table: StockTable) -> None:
    names = [f"item {number}" for number in range(130)]
    for name in names[::2]:
        await table.write(Put(item={"id": name}))
    assert (await table.read(names)).keys() == set(names[::2])


async def test_every_change_of_an_update_is_made(table_with_thing: StockTable) -> None:
    change = Update(
        id="thing",
        assign={("map", "c"): {"units": 7}, ("name",): "y"},
        add={("n",): -1, ("new",): 5, ("map", "a.b", "units"): 2},
        include={("set",): frozenset({"two"}), ("fresh",): frozenset({"f"})},
        remove=[("yes",)],
        where=[Where(("n",), "=", 3)],
    )
    expected = {
        "id": "thing",
        "n": 2,
        "name": "y",
        "new": 5,
        "map": {"a.b": {"units": 3}, "c": {"units": 7}},
        "set": frozenset({"one", "two"}),
        "fresh": frozenset({"f"}),
    }
    assert await table_with_thing.write(change) == expected
    assert (await table_with_thing.read(["thing"]))["thing"] == expected


async def test_a_part_of_a_map_can_be_removed(table_with_thing: StockTable) -> None:
    assert (await table_with_thing.write(Update(id="thing", remove=[("map", "a.b")])))["map"] == {}


async def test_a_set_that_loses_its_last_member_is_gone(table_with_thing: StockTable) -> None:
    changed = await table_with_thing.write(Update(id="thing", exclude={("set",): frozenset({"one", "other"})}))
    assert "set" not in changed


async def test_an_update_creates_what_is_not_there(table: StockTable) -> None:
    assert await table.write(Update(id="fresh", add={("n",): 2})) == {"id": "fresh", "n": 2}


async def test_a_deleted_item_is_gone(table_with_thing: StockTable) -> None:
    await table_with_thing.write(Delete(id="thing"))
    await table_with_thing.write(Delete(id="thing"))
    assert await table_with_thing.read(["thing"]) == {}


HOLDS = [
    Where(("n",), "=", 3),
    Where(("n",), "<", 4),
    Where(("n",), "<=", 3),
    Where(("n",), ">=", 3),
    Where(("n",), ">=", 3, or_missing=True),
    Where(("gone",), ">=", 3, or_missing=True),
    Where(("name",), "=", "x"),
    Where(("n",), "exists"),
    Where(("gone",), "missing"),
    Where(("map", "a.b"), "exists"),
    Where(("map", "a.b", "units"), "=", 1),
    Where(("map", "none", "units"), "missing"),
]
FAILS = [
    Where(("n",), "=", 4),
    Where(("n",), "<", 3),
    Where(("n",), "<=", 2),
    Where(("n",), ">=", 4),
    Where(("n",), ">=", 4, or_missing=True),
    Where(("gone",), ">=", -1),
    Where(("gone",), "exists"),
    Where(("n",), "missing"),
    Where(("map", "none", "units"), "=", 1),
]


@pytest.mark.parametrize("where", HOLDS, ids=str)
async def test_a_condition_that_holds_lets_the_write_happen(table_with_thing: StockTable, where: Where) -> None:
    changed = await table_with_thing.write(Update(id="thing", add={("touched",): 1}, where=[where]))
    assert changed["touched"] == 1


@pytest.mark.parametrize("where", FAILS, ids=str)
@pytest.mark.parametrize("kind", ["put", "update", "delete"])
async def test_a_condition_that_does_not_hold_changes_nothing(
    table_with_thing: StockTable, where: Where, kind: Literal["put", "update", "delete"]
) -> None:
    writes: dict[str, Put | Update | Delete] = {
        "put": Put(item={"id": "thing"}, where=[where]),
        "update": Update(id="thing", add={("n",): 1}, where=[where]),
        "delete": Delete(id="thing", where=[where]),
    }
    with pytest.raises(ConditionFailedError) as caught:
        await table_with_thing.write(writes[kind])
    assert caught.value.item == THING
    assert await table_with_thing.read(["thing"]) == {"thing": THING}


async def test_a_missing_item_fails_the_condition_as_none(table: StockTable) -> None:
    with pytest.raises(ConditionFailedError) as caught:
        await table.write(Update(id="thing", add={("n",): 1}, where=[Where(("n",), "exists")]))
    assert caught.value.item is None
    assert await table.read(["thing"]) == {}


async def test_a_transaction_is_done_as_a_whole(table_with_thing: StockTable) -> None:
    await table_with_thing.transact(
        [
            Check(id="thing", where=[Where(("n",), "=", 3)]),
            Put(item={"id": "other"}, where=[Where(("id",), "missing")]),
            Update(id="third", add={("n",): 1}),
            Delete(id="fourth"),
        ]
    )
    assert (await table_with_thing.read(["other", "third"])).keys() == {"other", "third"}


async def test_a_refused_transaction_names_the_writes_at_fault_and_does_nothing(table_with_thing: StockTable) -> None:
    with pytest.raises(ConditionFailedError, match=r"the conditions of writes \[1, 2\] do not hold") as caught:
        await table_with_thing.transact(
            [
                Put(item={"id": "other"}),
                Check(id="thing", where=[Where(("n",), "=", 4)]),
                Update(id="third", add={("n",): 1}, where=[Where(("n",), "exists")]),
            ]
        )
    assert caught.value.items == {1: THING, 2: None}
    assert await table_with_thing.read(["other", "third"]) == {}


@pytest.mark.parametrize("value", [0, -5, 10**15, "", 'a"b\n', False, {"a": {}}])
async def test_values_come_back_as_they_are(table: StockTable, value: Value) -> None:
    await table.write(Put(item={"id": "one", "value": value}))
    assert (await table.read(["one"]))["one"]["value"] == value
