import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_gateway.errors import LineTooLongError
from payment_gateway.line import Line


class Customer:
    """One who wants a place, and leaves it when told to."""

    def __init__(self, line: Line, *, timeout_seconds: float = 60) -> None:
        self.admitted = False
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(self._visit(line, timeout_seconds))

    async def _visit(self, line: Line, timeout_seconds: float) -> None:
        async with line.place(timeout_seconds=timeout_seconds, retry_after_seconds=3):
            self.admitted = True
            await self.leave.wait()

    async def gone(self) -> None:
        self.leave.set()
        await self.task


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_places_are_given_in_the_order_of_arrival() -> None:
    line = Line(capacity=1)
    customers = [Customer(line) for _ in range(4)]
    await turns()
    for n, customer in enumerate(customers):
        assert [other.admitted for other in customers] == [other <= n for other in range(4)]
        assert (line.in_flight, line.waiting) == (1, 3 - n)
        await customer.gone()
        await turns()
    assert (line.in_flight, line.waiting, line.peak_in_flight) == (0, 0, 1)


async def test_one_who_waits_too_long_is_sent_away_with_a_time_to_come_back() -> None:
    line = Line(capacity=1)
    first = Customer(line)
    await turns()
    with pytest.raises(LineTooLongError) as caught:
        await Customer(line, timeout_seconds=0.01).task
    assert caught.value.retry_after_seconds == 3
    assert (line.in_flight, line.waiting) == (1, 0)
    await first.gone()
    last = Customer(line)
    await turns()
    assert last.admitted
    await last.gone()


async def test_more_capacity_admits_at_once_and_less_waits_for_those_inside() -> None:
    line = Line(capacity=1)
    customers = [Customer(line) for _ in range(6)]
    await turns()
    line.resize(3)
    await turns()
    assert sum(customer.admitted for customer in customers) == 3
    line.resize(1)
    assert line.peak_in_flight == 3
    await customers[0].gone()
    await customers[1].gone()
    await turns()
    assert line.in_flight == 1
    line.resize(0)
    await turns()
    assert all(customer.admitted for customer in customers)
    for customer in customers[2:]:
        await customer.gone()
    assert line.in_flight == 0


async def test_a_closed_line_sends_everybody_home() -> None:
    line = Line(capacity=1)
    inside, waiting = Customer(line), Customer(line)
    await turns()
    line.close()
    with pytest.raises(LineTooLongError, match="stopping"):
        await waiting.task
    with pytest.raises(LineTooLongError, match="stopping"):
        await Customer(line).task
    await inside.gone()
    assert (line.in_flight, line.waiting) == (0, 0)


async def test_a_place_given_to_one_who_is_cancelled_in_that_turn_is_not_lost() -> None:
    line = Line(capacity=1)
    first, second, third = Customer(line), Customer(line), Customer(line)
    await turns()
    # Both in one turn of the loop: the place has gone to the second, and so has the cancellation.
    line.resize(2)
    second.task.cancel()
    line.resize(1)
    await turns()
    assert not second.admitted
    await first.gone()
    await turns()
    assert third.admitted
    await third.gone()
    assert (line.in_flight, line.waiting) == (0, 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.just(0)),
        st.tuples(st.just("leave"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("resize"), st.integers(1, 4)),
        st.tuples(st.just("turn"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_no_more_than_the_capacity_are_ever_inside(steps: list[tuple[str, int]]) -> None:
    line = asyncio.run(_follow(steps))
    assert (line.in_flight, line.waiting) == (0, 0)


async def _follow(steps: list[tuple[str, int]]) -> Line:
    """Take the steps, hold the capacity after each of them, and send everybody home."""
    capacity = 2
    line = Line(capacity=capacity)
    customers: list[Customer] = []
    for step, number in steps:
        inside = line.in_flight
        if step == "come":
            customers.append(Customer(line))
        elif step == "turn":
            await turns(1)
        elif step == "resize":
            capacity = number
            line.resize(capacity)
        elif number < len(customers):
            customers[number].leave.set() if step == "leave" else customers[number].task.cancel()
        # Those inside may stay when the capacity shrinks, but nobody comes in over it.
        assert line.in_flight <= max(capacity, inside)
    await turns(100)
    assert line.waiting == 0 or line.in_flight >= capacity, "a place stays empty while somebody waits"
    assert line.in_flight == sum(customer.admitted and not customer.task.done() for customer in customers)
    for customer in customers:
        customer.leave.set()
    await asyncio.gather(*(customer.task for customer in customers), return_exceptions=True)
    return line
