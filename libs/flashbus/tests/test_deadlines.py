import asyncio
from dataclasses import dataclass

from flashbus.deadlines import Deadlines


@dataclass(frozen=True)
class Work:
    expires: float
    result: asyncio.Future[None]


def work(expires: float) -> Work:
    return Work(expires, asyncio.get_running_loop().create_future())


async def test_each_is_late_at_its_own_time_and_the_done_are_not() -> None:
    loop = asyncio.get_running_loop()
    late: list[tuple[int, float]] = []
    works: list[Work] = []
    deadlines = Deadlines[Work](on_late=lambda found: late.append((works.index(found), loop.time() - started)))
    started = loop.time()
    for number in range(4):
        works.append(work(started + 1 + number))
        deadlines.add(works[-1])
    works[1].result.set_result(None)
    await asyncio.sleep(10)
    assert [number for number, _ in late] == [0, 2, 3]
    assert [round(after, 3) for _, after in late] == [1, 3, 4]


async def test_what_is_done_is_not_kept() -> None:
    deadlines = Deadlines[Work](on_late=lambda _found: None)
    for _ in range(100):
        one = work(asyncio.get_running_loop().time() + 1)
        deadlines.add(one)
        one.result.set_result(None)
    assert len(deadlines._open) == 1


async def test_nobody_is_late_any_more_once_it_is_closed() -> None:
    late: list[Work] = []
    deadlines = Deadlines[Work](on_late=late.append)
    deadlines.add(work(asyncio.get_running_loop().time() + 1))
    deadlines.close()
    await asyncio.sleep(2)
    assert late == []


async def test_an_answer_within_the_last_turns_of_the_loop_is_in_time() -> None:
    late: list[Work] = []
    deadlines = Deadlines[Work](on_late=late.append)
    one = work(asyncio.get_running_loop().time() + 1)
    deadlines.add(one)
    await asyncio.sleep(1)
    for _ in range(8):
        await asyncio.sleep(0)
    one.result.set_result(None)
    await asyncio.sleep(1)
    assert late == []
