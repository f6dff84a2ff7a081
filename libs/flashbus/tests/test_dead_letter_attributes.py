import pytest

from flashbus.dead_letters import dead_letter_attributes, is_redriven


def test_the_reason_stands_beside_what_the_message_brought() -> None:
    attributes = dead_letter_attributes({"traceparent": "t"}, reason="malformed", detail="not\x00 JSON", receives=3)
    assert attributes == {
        "traceparent": "t",
        "dead_letter_reason": "malformed",
        "dead_letter_detail": "not  JSON",
        "dead_letter_receives": "3",
    }


@pytest.mark.parametrize("given", [7, 8, 12])
def test_a_message_never_has_more_than_ten_attributes(given: int) -> None:
    brought = {f"a{number}": "x" for number in range(given)}
    attributes = dead_letter_attributes(brought, reason="r", detail="d", receives=1)
    assert len(attributes) == min(given, 7) + 3
    assert list(attributes)[:7] == list(brought)[:7]


def test_a_second_dead_letter_replaces_the_words_of_the_first() -> None:
    first = dead_letter_attributes({"a": "x"}, reason="exhausted", detail="d", receives=100)
    second = dead_letter_attributes(first, reason="conflicting_charge", detail="e", receives=2)
    assert second == dead_letter_attributes({"a": "x"}, reason="conflicting_charge", detail="e", receives=2)


@pytest.mark.parametrize(
    ("detail", "kept"),
    [("", "none"), ("\n\t", "none"), ("ü", "none"), ("a" * 300, "a" * 256), ("a\nb", "a b"), (" ~ ", "~")],
)
def test_the_detail_is_plain_short_and_never_empty(detail: str, kept: str) -> None:
    assert dead_letter_attributes({}, reason="r", detail=detail, receives=1)["dead_letter_detail"] == kept


def test_a_message_that_was_a_dead_letter_is_known_when_it_comes_back() -> None:
    assert is_redriven(dead_letter_attributes({}, reason="r", detail="d", receives=1))
    assert not is_redriven({"traceparent": "t"})
