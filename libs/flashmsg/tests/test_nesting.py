"""The bound on depth: it agrees with a recursive reader, and stands before every parse."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flashmsg import (
    MAX_DEPTH,
    FlashmsgError,
    decode,
    decode_lambda_sns_record,
    decode_lambda_sqs_record,
    decode_sqs_body,
    encode,
    parse_request,
    too_deep,
)
from flashmsg.events import OrderPlaced

TEXTS = st.text(alphabet='[]{}"\\,:a\n\u00e9\U0001f600')


def depth_of(value: object) -> int:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if members is None else 1 + max(map(depth_of, members), default=0)


def depth_of_prefix(text: str) -> int:
    """How deep a parser gets in any text: it opens what it may open, and stops at the first mistake."""
    deepest, opened, position, inside = 0, [], 0, False
    while position < len(text):
        char = text[position]
        if inside:
            inside = char != '"'
            position += char == "\\"
        elif char in "[{":
            opened.append(char)
            deepest = max(deepest, len(opened))
        elif char in "]}":
            if not opened or opened.pop() + char not in {"[]", "{}"}:
                return deepest
        else:
            inside = char == '"'
        position += 1
    return deepest


@st.composite
def nested(draw: st.DrawFn) -> object:
    value: object = draw(st.none() | TEXTS)
    for step in draw(st.lists(st.none() | TEXTS, min_size=MAX_DEPTH - 3, max_size=MAX_DEPTH + 3)):
        value = [draw(TEXTS), value, []] if step is None else {step: value, step + "x": {}}
    return value


@given(nested())
def test_on_json_it_agrees_with_a_recursive_reader(value: object) -> None:
    for document in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert too_deep(document) is (depth_of(value) > MAX_DEPTH)
        assert too_deep(document.encode()) is too_deep(document)


@given(st.text(alphabet='[{]}"\\a', min_size=0, max_size=400))
@example("]" * 100 + "[" * 133)
@example('["' + "\\" * 3 + '"' + "[" * 33 + '"' + "[" * 32)
def test_on_anything_else_it_never_finds_less_than_a_parser_could_reach(text: str) -> None:
    # Brackets of either kind count alike, so what it finds may be more: never less.
    if depth_of_prefix(text) > MAX_DEPTH:
        assert too_deep(text)


@given(st.binary())
def test_bytes_that_are_no_text_are_taken(raw: bytes) -> None:
    assert not too_deep(raw * 2) or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH // 2


def test_a_lone_surrogate_is_taken() -> None:
    assert too_deep("\ud800" + "[" * (MAX_DEPTH + 1))


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_thirty_two_levels_are_taken_and_no_more() -> None:
    assert (too_deep(deep(32)), too_deep(deep(33))) == (False, True)


@pytest.mark.parametrize("sibling", ["[]", "{}", '{"a":[]}'])
def test_levels_that_were_closed_before_neither_count_nor_hide_any(sibling: str) -> None:
    before = "[" + f"{sibling}," * 40
    assert (too_deep(before + deep(31) + "]"), too_deep(before + deep(32) + "]")) == (False, True)


def test_brackets_in_a_text_are_no_levels() -> None:
    assert not too_deep(json.dumps("[" * 100))


def test_depth_is_counted_in_unknown_fields_too(event: OrderPlaced) -> None:
    text = encode(event)[:-1] + ',"extension":'
    assert decode(text + deep(MAX_DEPTH - 1) + "}") == event
    with pytest.raises(FlashmsgError, match=f"at most {MAX_DEPTH} levels"):
        decode(text + deep(MAX_DEPTH) + "}")


def test_every_parse_is_bounded(event: OrderPlaced) -> None:
    body = encode(event)[:-1] + f',"extension":{deep(MAX_DEPTH)}}}'
    envelope = json.dumps({"Type": "Notification", "Message": body})
    for refuses in (
        lambda: decode(body),
        lambda: decode_sqs_body(body),
        lambda: decode_sqs_body(envelope),
        lambda: decode_lambda_sns_record({"Sns": {"Message": body}}),
        lambda: decode_lambda_sqs_record({"body": envelope}),
        lambda: parse_request(b'{"customer_id":1,"items":' + deep(MAX_DEPTH).encode() + b"}"),
    ):
        with pytest.raises(FlashmsgError, match="Nested too deeply"):
            refuses()
