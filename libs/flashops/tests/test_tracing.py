"""Trace context follows the W3C recommendation."""

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashops.tracing import Traceparent

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def test_a_header_survives_the_round_trip() -> None:
    header = f"00-{TRACE}-{PARENT}-01"
    assert str(Traceparent.parse(header)) == header


def test_blanks_around_a_header_do_not_count() -> None:
    assert str(Traceparent.parse(f" \t00-{TRACE}-{PARENT}-01\t ")) == f"00-{TRACE}-{PARENT}-01"


def test_only_the_sampled_flag_is_passed_on() -> None:
    assert str(Traceparent.parse(f"00-{TRACE}-{PARENT}-fe")) == f"00-{TRACE}-{PARENT}-00"


def test_a_later_version_is_read_as_this_one() -> None:
    assert str(Traceparent.parse(f"cc-{TRACE}-{PARENT}-01-what-comes")) == f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "00",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-01-",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"cc-{TRACE}-{PARENT}-01.more",
        f"00-{TRACE}-{PARENT}-01\n",
    ],
)
def test_an_invalid_header_is_none(header: str | None) -> None:
    assert Traceparent.parse(header) is None


def test_a_child_stays_in_the_trace_at_a_new_place() -> None:
    parent = Traceparent.parse(f"00-{TRACE}-{PARENT}-00")
    assert parent is not None
    child = parent.child()
    assert (child.trace_id, child.sampled) == (TRACE, False)
    assert child.parent_id != PARENT
    assert Traceparent.parse(str(child)) == child


def test_a_new_trace_is_valid_and_unlike_another() -> None:
    first, second = Traceparent.new(), Traceparent.new()
    assert Traceparent.parse(str(first)) == first
    assert first.trace_id != second.trace_id
    assert first.parent_id != second.parent_id
    assert first.sampled


@pytest.mark.parametrize(
    ("drawn", "trace_id", "parent_id"),
    [
        (bytes, "1".zfill(32), "1".zfill(16)),  # all zeros would be invalid
        (lambda size: b"\xff" * size, "f" * 32, "f" * 16),
    ],
)
def test_every_bit_of_an_id_is_drawn(
    monkeypatch: pytest.MonkeyPatch, drawn: Callable[[int], bytes], trace_id: str, parent_id: str
) -> None:
    monkeypatch.setattr(os, "urandom", drawn)
    assert Traceparent.new() == Traceparent(trace_id, parent_id)
    assert Traceparent(TRACE, PARENT).child() == Traceparent(TRACE, parent_id)


@given(st.text())
def test_no_text_raises(text: str) -> None:
    parsed = Traceparent.parse(text)
    assert parsed is None or Traceparent.parse(str(parsed)) == parsed
