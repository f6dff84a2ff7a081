"""Whether a body is an order request does not depend on how it is written, nor on the way by which it is read."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from flashmsg import InvalidRequestError, OrderRequest, parse_request

# Repeated, missing, foreign and escaped members, and numbers that JSON does not know.
line_members = st.sampled_from(
    ['"quantity":2', '"quantity": 2', '"quantity":NaN', '"product_id":"pen"', '"product_id":"cap"', '"\\u0070":":"']
)
line_texts = st.lists(line_members, max_size=3).map(lambda found: f"{{{','.join(found)}}}")
sound_lines = st.sampled_from(['{"product_id":"pen","quantity":1}', '{"quantity":100,"product_id":"c\\u0061p"}'])
items = st.lists(line_texts | sound_lines, max_size=3).map(lambda found: f'"items":[{",".join(found)}]')
members = st.sampled_from(['"customer_id":7', '"customer_id":1.0', '"customer\\u005fid":8', '"note":"a:b"', ""])
bodies = (
    st.lists(members | items, max_size=4)
    .map(lambda found: f"{{{','.join(found)}}}")
    .flatmap(lambda text: st.sampled_from([text, f" {text}\n", text + "x", text[:-1]]))
    .map(str.encode)
)


def read_strictly(body: bytes) -> OrderRequest | None:
    """What a reader makes of it that knows every member of every object."""

    def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a member is repeated")
        return dict(pairs)

    try:
        json.loads(body, object_pairs_hook=distinct)
        return OrderRequest.model_validate_json(body)
    except (ValueError, ValidationError):
        return None


@settings(max_examples=300)
@given(body=bodies)
def test_a_body_is_an_order_request_exactly_if_it_is_one_to_a_strict_reader(body: bytes) -> None:
    expected = read_strictly(body)
    if expected is None:
        with pytest.raises(InvalidRequestError):
            parse_request(body)
    else:
        assert parse_request(body) == expected


@pytest.mark.parametrize("repeat", ['"items":[]', '"items":{"a":{"b":[1]}}', '"customer_id":7', '"\\u0069tems":[]'])
@pytest.mark.parametrize("place", [lambda one, rest: f"{{{one},{rest}}}", lambda one, rest: f"{{{rest},{one}}}"])
def test_a_repeated_member_is_refused_before_and_behind_the_good_one(
    repeat: str, place: Callable[[str, str], str]
) -> None:
    body = place(repeat, '"customer_id":7,"items":[{"product_id":"pen","quantity":1}]')
    with pytest.raises(InvalidRequestError) as caught:
        parse_request(body.encode())
    assert not caught.value.well_formed
