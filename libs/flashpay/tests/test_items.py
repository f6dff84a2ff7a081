"""Entries survive the way into DynamoDB and back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmsg import OrderStatus, PricedLine, Reservation
from flashpay import LedgerEntry, LedgerRefusedError, Tombstone
from flashpay.items import Attribute, from_item, to_item, to_tombstone_item
from flashpay.testing import START, sample_order

LINES = st.lists(
    st.builds(
        PricedLine,
        product_id=st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True),
        quantity=st.integers(1, 100),
        unit_price_minor=st.integers(0, 10**12),
    ),
    min_size=1,
    max_size=5,
).map(tuple)
MOMENTS = st.integers(-(10**12), 10**13).map(lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
TEXTS = st.text(min_size=1, max_size=40)
RESERVATIONS = st.builds(
    Reservation,
    id=st.from_regex(r"rsv_[a-z2-7]{20,80}", fullmatch=True),
    units=st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9-]{0,63}", fullmatch=True), st.integers(1, 100), min_size=1, max_size=5
    ),
)
ENTRIES = st.builds(
    LedgerEntry,
    order_id=TEXTS,
    status=st.sampled_from(OrderStatus),
    customer_id=st.integers(1, 2**53 - 1),
    items=LINES,
    currency=TEXTS,
    total_minor=st.integers(0, 2**53 - 1),
    fingerprint=TEXTS,
    created_at=MOMENTS,
    updated_at=MOMENTS,
    completed_at=st.none() | MOMENTS,
    charge_id=st.none() | TEXTS,
    reason=st.none() | TEXTS,
    attempt=st.integers(0, 10**6),
    owner=st.none() | TEXTS,
    lease_until=st.none() | MOMENTS,
    reservation=st.none() | RESERVATIONS,
    reopened=st.integers(0, 10**6),
    expires_at=st.none() | MOMENTS.map(lambda moment: moment.replace(microsecond=0)),
)


@given(ENTRIES)
def test_an_entry_survives_the_round_trip(entry: LedgerEntry) -> None:
    assert from_item(to_item(entry)) == entry
    owed = replace(entry, event_owed=entry.status.is_terminal)
    assert from_item(to_item(owed)) == owed


def test_the_expiry_is_in_the_seconds_that_dynamodb_deletes_by() -> None:
    entry = LedgerEntry.failed_unclaimed(sample_order(), reason="no", now=START)
    item = to_item(replace(entry, expires_at=datetime(2026, 11, 29, tzinfo=UTC)))
    assert item["expires_at"] == {"N": "1795910400"}
    assert "expires_at" not in to_item(entry)


def test_the_attributes_are_those_that_others_read() -> None:
    entry = LedgerEntry.claimed_first(
        sample_order(), owner="first", lease_until=START + timedelta(seconds=30), now=START
    )
    item = to_item(entry)
    assert item["status"] == {"S": "processing"}
    assert item["lease_until"] == {"N": "1795809630000"}
    assert json.loads(item["items"]["S"]) == [{"product_id": "gadget", "quantity": 2, "unit_price_minor": 1999}]
    assert set(item) == {
        *("order_id", "status", "owner", "attempt", "lease_until", "fingerprint", "customer_id"),
        *("items", "currency", "total_minor", "created_at", "updated_at", "unsettled"),
    }


def test_a_tombstone_has_what_others_read_and_no_content() -> None:
    tombstone = Tombstone(order_id="ord_a", cancelled_at=START)
    moment = {"N": "1795809600000"}
    item: dict[str, Attribute] = {
        "order_id": {"S": "ord_a"},
        "status": {"S": "cancelled"},
        "tombstone": {"BOOL": True},
        "updated_at": moment,
        "completed_at": moment,
    }
    assert to_tombstone_item(tombstone) == item
    expires_at = datetime(2026, 11, 29, tzinfo=UTC)
    expiring = replace(tombstone, expires_at=expires_at)
    assert to_tombstone_item(expiring) == item | {"expires_at": {"N": "1795910400"}}
    assert (from_item(item), from_item(to_tombstone_item(expiring))) == (tombstone, expiring)


def test_a_reservation_is_one_short_attribute_beside_the_rest() -> None:
    reservation = Reservation(id="rsv_" + "a" * 20, units={"gadget": 2})
    item = to_item(LedgerEntry.accepted_first(sample_order(), owner="first", now=START, reservation=reservation))
    assert item["reservation"] == {"S": '{"id":"rsv_aaaaaaaaaaaaaaaaaaaa","units":{"gadget":2}}'}


@pytest.mark.parametrize(
    "broken",
    [
        "{}",
        "[" * 400_000,
        '{"id":"rsv_' + "a" * 20 + '","units":{' + ",".join(f'"X{n}":0' for n in range(40_000)) + "}}",
    ],
    ids=len,
)
def test_a_corrupt_reservation_is_refused_in_a_sentence(broken: str) -> None:
    item = dict(to_item(LedgerEntry.failed_unclaimed(sample_order(), reason="other", now=START)))
    with pytest.raises(LedgerRefusedError) as caught:
        from_item(item | {"reservation": {"S": broken}})
    assert caught.value.reason == "corrupt_entry"
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("lines", ["[" + "{}," * 130_000 + "{}]", "[" * 33 + "]" * 33, "[" * 400_000], ids=len)
def test_a_corrupt_item_of_the_largest_size_is_refused_in_a_sentence(lines: str) -> None:
    item = dict(to_item(LedgerEntry.failed_unclaimed(sample_order(), reason="other", now=START)))
    with pytest.raises(LedgerRefusedError) as caught:
        from_item(item | {"items": {"S": lines}})
    assert caught.value.reason == "corrupt_entry"
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize("broken", [{"S": "x" * 390_000}, {"N": "x" * 390_000}], ids=["S", "N"])
@pytest.mark.parametrize("name", ["status", "customer_id", "created_at"])
def test_a_corrupt_attribute_of_the_largest_size_is_refused_in_a_sentence(name: str, broken: Attribute) -> None:
    item = dict(to_item(LedgerEntry.failed_unclaimed(sample_order(), reason="other", now=START)))
    with pytest.raises(LedgerRefusedError) as caught:
        from_item(item | {name: broken})
    assert caught.value.reason == "corrupt_entry"
    assert len(str(caught.value)) < 1_000


def test_of_a_fault_five_hundred_characters_are_told() -> None:
    item = to_item(LedgerEntry.failed_unclaimed(sample_order(), reason="other", now=START))
    with pytest.raises(LedgerRefusedError) as caught:
        from_item({**item, "status": {"S": "x" * 1_000}})
    assert str(caught.value) == "not a ledger item: '" + "x" * 499


@pytest.mark.parametrize("name", ["status", "items", "customer_id", "created_at"])
@pytest.mark.parametrize("broken", [None, {"S": "\ufffd"}, {"N": "many"}, {"S": None}, {"N": None}, {"L": []}])
def test_a_missing_or_malformed_attribute_is_refused(name: str, broken: Attribute | None) -> None:
    item = dict(to_item(LedgerEntry.failed_unclaimed(sample_order(), reason="other", now=START)))
    if broken is None:
        del item[name]
    else:
        item[name] = broken
    with pytest.raises(LedgerRefusedError) as caught:
        from_item(item)
    assert caught.value.reason == "corrupt_entry"
