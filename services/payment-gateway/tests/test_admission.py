import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_gateway.admission import AdmissionQueue
from payment_gateway.errors import AdmissionTimeoutError


class HeldCharge:
    """A charge that asks for capacity, and gives it back when told to."""

    def __init__(self, queue: AdmissionQueue, *, timeout_seconds: float = 60) -> None:
        self.admitted = False
        self.finish = asyncio.Event()
        self.task = asyncio.create_task(self._run(queue, timeout_seconds))

    async def _run(self, queue: AdmissionQueue, timeout_seconds: float) -> None:
        async with queue.admitted(timeout_seconds=timeout_seconds, retry_after_seconds=3):
            self.admitted = True
            await self.finish.wait()

    async def finished(self) -> None:
        self.finish.set()
        await self.task


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_charges_are_admitted_in_the_order_of_arrival() -> None:
    queue = AdmissionQueue(capacity=1)
    charges = [HeldCharge(queue) for _ in range(4)]
    await turns()
    for n, charge in enumerate(charges):
        assert [other.admitted for other in charges] == [other <= n for other in range(4)]
        assert (queue.in_flight, queue.waiting) == (1, 3 - n)
        await charge.finished()
        await turns()
    assert (queue.in_flight, queue.waiting, queue.peak_in_flight) == (0, 0, 1)


async def test_a_charge_that_waits_too_long_is_refused_with_a_time_to_retry() -> None:
    queue = AdmissionQueue(capacity=1)
    first = HeldCharge(queue)
    await turns()
    with pytest.raises(AdmissionTimeoutError, match=r"^No capacity came free in time$") as caught:
        await HeldCharge(queue, timeout_seconds=0.01).task
    assert caught.value.retry_after_seconds == 3
    assert (queue.in_flight, queue.waiting) == (1, 0)
    await first.finished()
    last = HeldCharge(queue)
    await turns()
    assert last.admitted
    await last.finished()


async def test_more_capacity_admits_at_once_and_less_waits_for_those_in_flight() -> None:
    queue = AdmissionQueue(capacity=1)
    charges = [HeldCharge(queue) for _ in range(6)]
    await turns()
    queue.resize(3)
    await turns()
    assert sum(charge.admitted for charge in charges) == 3
    queue.resize(1)
    assert queue.peak_in_flight == 3
    await charges[0].finished()
    await charges[1].finished()
    await turns()
    assert queue.in_flight == 1
    queue.resize(0)
    await turns()
    assert all(charge.admitted for charge in charges)
    for charge in charges[2:]:
        await charge.finished()
    assert queue.in_flight == 0


async def test_another_capacity_counts_its_own_peak() -> None:
    queue = AdmissionQueue(capacity=3)
    charges = [HeldCharge(queue) for _ in range(3)]
    await turns()
    for charge in charges[1:]:
        await charge.finished()
    queue.resize(3)
    assert queue.peak_in_flight == 3
    queue.resize(2)
    assert queue.peak_in_flight == 1
    await charges[0].finished()


async def test_a_closed_queue_refuses_all_that_wait() -> None:
    queue = AdmissionQueue(capacity=1)
    in_flight, waiting = HeldCharge(queue), HeldCharge(queue)
    await turns()
    queue.close()
    with pytest.raises(AdmissionTimeoutError, match="stopping"):
        await waiting.task
    with pytest.raises(AdmissionTimeoutError, match="stopping") as caught:
        await HeldCharge(queue).task
    assert caught.value.retry_after_seconds == 3
    await in_flight.finished()
    assert (queue.in_flight, queue.waiting) == (0, 0)


async def test_capacity_given_to_a_charge_cancelled_in_that_turn_is_not_lost() -> None:
    queue = AdmissionQueue(capacity=1)
    first, second, third = HeldCharge(queue), HeldCharge(queue), HeldCharge(queue)
    await turns()
    # Both in one turn of the loop: the second is admitted and cancelled.
    queue.resize(2)
    second.task.cancel()
    queue.resize(1)
    await turns()
    assert not second.admitted
    await first.finished()
    await turns()
    assert third.admitted
    await third.finished()
    assert (queue.in_flight, queue.waiting) == (0, 0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.just(0)),
        st.tuples(st.just("finish"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("resize"), st.integers(1, 4)),
        st.tuples(st.just("turn"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_no_more_than_the_capacity_are_ever_in_flight(steps: list[tuple[str, int]]) -> None:
    queue = asyncio.run(_follow(steps))
    assert (queue.in_flight, queue.waiting) == (0, 0)


async def _follow(steps: list[tuple[str, int]]) -> AdmissionQueue:
    """Take the steps, check the capacity after each of them, and let every charge finish."""
    capacity = 2
    queue = AdmissionQueue(capacity=capacity)
    charges: list[HeldCharge] = []
    for step, number in steps:
        before = queue.in_flight
        if step == "arrive":
            charges.append(HeldCharge(queue))
        elif step == "turn":
            await turns(1)
        elif step == "resize":
            capacity = number
            queue.resize(capacity)
        elif number < len(charges):
            charges[number].finish.set() if step == "finish" else charges[number].task.cancel()
        # Admitted charges may exceed a capacity that shrank, but none is admitted above it.
        assert queue.in_flight <= max(capacity, before)
    await turns(100)
    assert queue.waiting == 0 or queue.in_flight >= capacity, "capacity stays unused while a charge waits"
    assert queue.in_flight == sum(charge.admitted and not charge.task.done() for charge in charges)
    for charge in charges:
        charge.finish.set()
    await asyncio.gather(*(charge.task for charge in charges), return_exceptions=True)
    return queue
