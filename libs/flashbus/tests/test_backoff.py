from datetime import timedelta

from flashbus.backoff import Backoff


def test_the_backoff_has_full_jitter_under_a_growing_ceiling() -> None:
    highest = Backoff(uniform=lambda _low, high: high)
    lowest = Backoff(uniform=lambda low, _high: low)
    seconds = [highest.after(attempt).total_seconds() for attempt in (1, 2, 3, 9, 10, 100, 10_000)]
    assert seconds == [1, 2, 4, 256, 300, 300, 300]
    assert lowest.after(5) == timedelta(0)


def test_what_somebody_asked_for_is_added_within_bounds() -> None:
    lowest = Backoff(uniform=lambda low, _high: low)
    assert lowest.after(5, at_least=timedelta(seconds=7)) == timedelta(seconds=7)
    assert lowest.after(5, at_least=timedelta(days=2)) == timedelta(minutes=5)
