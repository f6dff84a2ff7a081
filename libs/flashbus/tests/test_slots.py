import asyncio
from dataclasses import dataclass
from typing import cast

import pytest

from flashbus.look_ahead import LookAhead
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


@dataclass(kw_only=True)
class Ahead:
    """Says the same all the time."""

    messages: int
    company: int


def slots_of(limit: int, **ahead: int) -> Slots:
    return Slots(limit, look_ahead=cast("LookAhead", Ahead(**ahead)))


@pytest.mark.parametrize(("messages", "company", "taken"), [(3, 2, [3, 2]), (1, 1, [1, 1]), (1, 0, [1, 1])])
async def test_with_all_slots_taken_some_are_taken_ahead_once_the_company_is_there(
    messages: int, company: int, taken: list[int]
) -> None:
    slots, stop = slots_of(4, messages=messages, company=company), asyncio.Event()
    assert await slots.take(4, stop=stop) == 4
    assert await slots.take(10, stop=stop) == taken[0]
    waiting = asyncio.create_task(slots.take(10, stop=stop))
    for _ in range(taken[1]):
        await asyncio.sleep(1)
        assert not waiting.done()
        slots.give_back()
    assert await waiting == taken[1]
    assert slots.free == -messages


async def test_an_empty_slot_waits_for_no_company() -> None:
    slots, stop = slots_of(1, messages=0, company=5), asyncio.Event()
    assert await slots.take(10, stop=stop) == 1
    slots.give_back()
    assert await slots.take(10, stop=stop) == 1
