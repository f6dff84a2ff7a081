import asyncio

import pytest

from flashbus.slots import Slots


async def test_slots_are_taken_as_far_as_they_are_free() -> None:
    slots, stop = Slots(5), asyncio.Event()
    assert await slots.take(3, stop=stop) == 3
    assert await slots.take(10, stop=stop) == 2
    waiting = asyncio.create_task(slots.take(10, stop=stop))
    await asyncio.sleep(1)
    assert not waiting.done()
    slots.give_back(2)
    assert await waiting == 2


async def test_the_stop_ends_the_wait_for_a_slot() -> None:
    slots, stop = Slots(1), asyncio.Event()
    await slots.take(1, stop=stop)
    waiting = asyncio.create_task(slots.take(1, stop=stop))
    await asyncio.sleep(1)
    stop.set()
    assert await waiting == 0
    assert slots.free == 0


async def test_a_free_slot_is_not_taken_after_the_stop() -> None:
    slots, stop = Slots(1), asyncio.Event()
    stop.set()
    assert await slots.take(1, stop=stop) == 0
    assert slots.free == 1


def test_giving_back_what_was_not_taken_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="more slots"):
        Slots(1).give_back()


def test_there_is_at_least_one_slot() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Slots(0)
