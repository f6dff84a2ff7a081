"""Several answers to one question stand in one table, each with what makes it."""

from load.model import Assumptions, break_even, load_prices, plan


def test_the_workers_of_sixty_orders_a_second_are_told_apart() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600)
    assert [one.value for one in found.worker_readings] == [180, 181, 183, 204, 179, 200]


def test_the_break_evens_are_told_apart() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600)
    values = [one.value for one in found.break_evens]
    assert values[:2] == [674_602, 946_666]
    assert values[3] == break_even("lambda", "ecs", load_prices(), Assumptions()).orders
    assert len(set(values)) == len(values)
