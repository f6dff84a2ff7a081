"""Whatever the bytes of a body are, the answer is an acceptance or the client's fault."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from order_api.testing import FakeStock, RunningApi, exchange

VALID = b'{"customer_id":1,"items":[{"product_id":"pen","quantity":1}]}'
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["pen", "phone-x", 1, 2, 100, 2**53]),
)
KEYS = st.one_of(st.sampled_from(["customer_id", "items", "product_id", "quantity"]), st.text(max_size=8))
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
ORDERS = st.fixed_dictionaries(
    {
        "customer_id": SCALARS,
        "items": st.lists(st.fixed_dictionaries({"product_id": SCALARS, "quantity": SCALARS}), max_size=3),
    }
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid body with some bytes replaced, inserted or cut out."""
    body = bytearray(VALID)
    for _ in range(draw(st.integers(min_value=1, max_value=4))):
        start = draw(st.integers(min_value=0, max_value=len(body)))
        end = draw(st.integers(min_value=start, max_value=min(start + 4, len(body))))
        body[start:end] = draw(st.binary(max_size=4))
    return bytes(body)


BODIES = st.one_of(
    st.binary(max_size=200),
    damaged(),
    st.one_of(DOCUMENTS, ORDERS).map(lambda document: json.dumps(document).encode()),
)


# One server for all examples: each looks only at what it added.
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(body=BODIES)
async def test_no_body_makes_an_error_of_ours(shop: RunningApi, body: bytes) -> None:
    before = len(shop.topic.published)
    headers = {"Content-Type": "application/json"}
    answer = await shop.request("POST", "/orders/async", data=body, headers=headers)
    taken = len(shop.topic.published) - before
    if answer.status == 202:
        assert taken == 1
        assert shop.events[-1].id == answer.json["order_id"]
    else:
        assert answer.status in {400, 413, 422}
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.fields
        assert taken == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(key=st.binary(max_size=40).filter(lambda key: not set(key) & set(b"\r\n\0")))
async def test_no_key_makes_an_error_of_ours(shop: RunningApi, key: bytes) -> None:
    head = b"POST /orders/async HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Type: application/json\r\n"
    key_header = b"Idempotency-Key: %b\r\nContent-Length: %d\r\n\r\n" % (key, len(VALID))
    answer = await exchange(shop.port, head + key_header + VALID)
    visible = bool(key.strip(b" \t")) and all(0x21 <= byte <= 0x7E for byte in key.strip(b" \t"))
    assert answer.status == (202 if visible else 400)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(body=BODIES)
async def test_no_body_takes_units_without_an_order(limited_shop: RunningApi, stock: FakeStock, body: bytes) -> None:
    before = len(limited_shop.topic.published)
    headers = {"Content-Type": "application/json"}
    answer = await limited_shop.request("POST", "/orders/async", data=body, headers=headers)
    assert answer.status in {202, 400, 409, 413, 422}
    assert len(limited_shop.topic.published) - before == (answer.status == 202)
    reserved = sum(sum(event.reservation.units.values()) for event in limited_shop.events if event.reservation)
    available, held, sold = await stock.figures("pen")
    assert (available + held, sold) == (10, 0)
    assert held >= reserved
