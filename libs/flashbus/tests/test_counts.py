"""Counts that others have written: whole numbers, and nothing that takes long to read."""

import pytest

from flashbus.counts import MOST_COUNT, read_count


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("17", 17), ("007", 7), (str(MOST_COUNT), MOST_COUNT)])
def test_a_whole_number_is_read(text: str, count: int) -> None:
    assert read_count(text) == count


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e3", " 1", "²", "true", str(MOST_COUNT + 1), "9" * 5_000])
def test_anything_else_is_none(text: str) -> None:
    assert read_count(text) is None
