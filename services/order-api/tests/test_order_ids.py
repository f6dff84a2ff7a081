import base64
import hmac
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashmsg import OrderPlaced
from order_api.order_ids import OrderIds

SECRET = b"0123456789abcdef0123456789abcdef"
IDS = OrderIds(secret=SECRET)
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)
CUSTOMERS = st.integers(min_value=1, max_value=2**53 - 1)


def issued(ids: OrderIds) -> str:
    return ids.candidates(customer_id=1, idempotency_key=uuid.uuid4().hex)[0]


def test_an_issued_id_is_recognised_and_fits_the_message_format() -> None:
    order_id = issued(IDS)
    pattern = OrderPlaced.model_json_schema()["properties"]["id"]["pattern"]
    assert re.fullmatch(pattern, order_id)
    assert IDS.owns(order_id)


def test_another_secret_does_not_recognise_the_id() -> None:
    assert not OrderIds(secret=SECRET[::-1]).owns(issued(IDS))


def test_an_id_of_the_previous_secret_is_recognised_and_new_ones_are_of_the_new_secret() -> None:
    rotated = OrderIds(secret=SECRET[::-1], previous=SECRET)
    assert rotated.owns(issued(IDS))
    assert not IDS.owns(issued(rotated))
    assert OrderIds(secret=SECRET[::-1]).owns(issued(rotated))
    assert not OrderIds(secret=SECRET[1:] + b"x", previous=SECRET[::-1]).owns(issued(IDS))


@given(CUSTOMERS, KEYS)
def test_a_key_used_before_the_rotation_still_leads_to_its_id(customer_id: int, key: str) -> None:
    rotated = OrderIds(secret=SECRET[::-1], previous=SECRET)
    today, before = rotated.candidates(customer_id=customer_id, idempotency_key=key)
    assert before == IDS.candidates(customer_id=customer_id, idempotency_key=key)[0]
    assert today == rotated.candidates(customer_id=customer_id, idempotency_key=key)[0]
    assert today == OrderIds(secret=SECRET[::-1]).candidates(customer_id=customer_id, idempotency_key=key)[0]
    assert rotated.owns(before)


@pytest.mark.parametrize("previous", [None, SECRET])
def test_without_another_secret_a_key_has_one_candidate(previous: bytes | None) -> None:
    ids = OrderIds(secret=SECRET, previous=previous)
    assert len(ids.candidates(customer_id=1, idempotency_key="k")) == 1


@pytest.mark.parametrize("secrets", [(SECRET[1:], None), (SECRET, SECRET[1:]), (SECRET, b"")])
def test_a_short_secret_is_refused(secrets: tuple[bytes, bytes | None]) -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        OrderIds(secret=secrets[0], previous=secrets[1])


def test_every_changed_character_breaks_the_id() -> None:
    order_id = issued(IDS)
    for place in range(4, len(order_id)):
        other = "a" if order_id[place] != "a" else "b"
        assert not IDS.owns(order_id[:place] + other + order_id[place + 1 :])


@pytest.mark.parametrize(
    "change",
    [str.upper, str.strip, lambda text: text + "=", lambda text: text[4:], lambda text: "ord_" + text, lambda _: ""],
    ids=["upper case", "none", "padded", "no prefix", "two prefixes", "empty"],
)
def test_only_the_one_spelling_is_recognised(change: object, request: pytest.FixtureRequest) -> None:
    assert callable(change)
    expected = request.node.callspec.id == "none"
    assert IDS.owns(change(issued(IDS))) is expected


@given(st.text(max_size=60))
def test_no_text_is_recognised_or_breaks_the_check(text: str) -> None:
    assert not IDS.owns(text)
    assert not IDS.owns(f"ord_{text}")


@given(CUSTOMERS, KEYS)
def test_a_key_always_leads_to_the_same_id(customer_id: int, key: str) -> None:
    first = IDS.candidates(customer_id=customer_id, idempotency_key=key)[0]
    assert first == OrderIds(secret=SECRET).candidates(customer_id=customer_id, idempotency_key=key)[0]
    assert IDS.owns(first)


@given(st.binary(min_size=32, max_size=80), CUSTOMERS, KEYS)
def test_an_id_is_what_the_standard_library_makes_of_its_definition(secret: bytes, customer_id: int, key: str) -> None:
    tag_key, id_key = (hmac.digest(secret, b"order-id/" + name, "sha256") for name in (b"tag/v1", b"idempotency/v1"))
    identity = hmac.digest(id_key, f"{customer_id}:{key}".encode(), "sha256")[:15]
    spelled = base64.b32encode(identity + hmac.digest(tag_key, identity, "sha256")[:10]).decode().lower()
    assert OrderIds(secret=secret).candidates(customer_id=customer_id, idempotency_key=key) == (f"ord_{spelled}",)


@given(st.tuples(CUSTOMERS, KEYS), st.tuples(CUSTOMERS, KEYS))
def test_different_customers_or_keys_lead_to_different_ids(one: tuple[int, str], other: tuple[int, str]) -> None:
    ids = {IDS.candidates(customer_id=customer, idempotency_key=key)[0] for customer, key in (one, other)}
    assert len(ids) == len({one, other})


def test_the_border_between_customer_and_key_counts() -> None:
    assert (
        IDS.candidates(customer_id=1, idempotency_key="23")[0] != IDS.candidates(customer_id=12, idempotency_key="3")[0]
    )


def test_a_key_leads_to_the_id_that_every_version_made_of_it() -> None:
    # A customer who repeats a request after an upgrade must meet the same order.
    ids = OrderIds(secret=b"s" * 48)
    expected = ("ord_n3xcaemh2dyknmpensljlpclacwjrpvxjj2wapfz",)
    assert ids.candidates(customer_id=7, idempotency_key="abc") == expected
    assert ids.candidates(customer_id=7, idempotency_key="abc") == expected  # and the keys are as they were
