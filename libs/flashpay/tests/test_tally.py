"""Everything fails, or this one fails."""

import pytest

from flashpay.tally import Tally


def failing(tally: Tally, *order_ids: str, alive: bool = True) -> bool:
    for order_id in order_ids:
        tally.failed(order_id, alive=alive)
    return tally.down


def test_different_orders_in_a_row_are_everything() -> None:
    tally = Tally(threshold=3)
    assert not failing(tally, "a", "b")
    assert failing(tally, "c")
    assert not tally.silent


def test_one_order_is_never_everything_while_the_dependency_answers() -> None:
    assert not failing(Tally(threshold=3), *["a", "b"] * 100)


def test_one_order_is_enough_where_the_dependency_answers_nothing() -> None:
    tally = Tally(threshold=3)
    assert not failing(tally, "a", "a", alive=False)
    assert failing(tally, "a", alive=False)
    assert tally.silent
    assert not failing(tally, "a", alive=True)
    assert not failing(tally, "a", "a", alive=False)  # the answer in between began the count anew


def test_any_answer_begins_the_count_of_silence_anew() -> None:
    tally = Tally(threshold=3)
    for alive in (False, False, True, False, False):
        tally.failed("a", alive=alive)
    assert not tally.silent
    tally.failed("a", alive=False)
    assert tally.silent


def test_a_success_begins_the_count_anew() -> None:
    tally = Tally(threshold=3)
    failing(tally, "a", "b", alive=False)
    tally.succeeded("x")
    assert not failing(tally, "c", "d", alive=False)
    assert failing(tally, "e", alive=False)


def test_orders_that_failed_while_others_succeeded_are_no_news() -> None:
    tally = Tally(threshold=3)
    failing(tally, "a", "b")
    tally.succeeded("x")
    assert not failing(tally, "a", "b", "c", "d")
    assert failing(tally, "e")


def test_an_order_that_succeeded_is_trusted_again() -> None:
    tally = Tally(threshold=2)
    failing(tally, "a")
    tally.succeeded("x")
    tally.succeeded("a")
    assert failing(tally, "a", "b")


def test_only_so_many_suspects_are_remembered() -> None:
    tally = Tally(threshold=1)
    failing(tally, *[str(number) for number in range(10_002)])
    tally.succeeded("x")
    assert len(tally._suspects) == 10_000


def test_of_ten_thousand_orders_that_fail_by_themselves_the_longest_known_is_forgotten() -> None:
    tally = Tally(threshold=2)
    for order_id in ("oldest", *(f"bad {number}" for number in range(9_999))):
        tally.failed(order_id, alive=True)
        tally.succeeded("x")
    assert not failing(tally, "oldest", "one more")
    tally.succeeded("x")
    assert not failing(tally, "bad 0", "fresh")
    assert failing(tally, "oldest")


def test_with_a_threshold_of_one_a_single_failure_is_everything() -> None:
    assert failing(Tally(threshold=1), "a")


def test_a_threshold_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="threshold must be at least 1"):
        Tally(threshold=0)
