"""A failpoint ends the process at the named side of the named call."""

import signal
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from tests.chaos.failpoints import with_failpoint


class Shelf:
    async def take(self) -> str:
        return "taken"


class Till:
    drawer = 3

    def __init__(self) -> None:
        self.shelf = Shelf()

    async def charge(self, amount: int) -> int:
        return amount

    def label(self) -> str:
        return "till"


@dataclass(frozen=True, kw_only=True)
class Connections:
    till: Till = field(default_factory=Till)
    spare: dict[str, Till] = field(default_factory=lambda: {"left": Till(), "right": Till()})
    missing: Till | None = None


class DeathError(Exception):
    """Stands for the end of the process."""


def die() -> None:
    raise DeathError


async def test_only_the_named_call_ends_the_process_and_not_before_its_turn() -> None:
    connections = with_failpoint(Connections(), "till.charge.done:2", kill=die)
    assert await connections.till.charge(5) == 5
    assert await connections.till.shelf.take() == "taken"
    assert (connections.till.label(), connections.till.drawer, connections.missing) == ("till", 3, None)
    with pytest.raises(DeathError):
        await connections.till.charge(5)


async def test_before_the_call_nothing_has_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    charged: list[int] = []

    async def charge(_till: Till, amount: int) -> None:
        charged.append(amount)

    monkeypatch.setattr(Till, "charge", charge)
    for place, expected in (("called", []), ("done", [7])):
        connections = with_failpoint(Connections(), f"till.charge.{place}", kill=die)
        with pytest.raises(DeathError):
            await connections.till.charge(7)
        assert charged == expected


async def test_the_parts_of_a_part_have_failpoints_too() -> None:
    connections = with_failpoint(Connections(), "till.shelf.take.called", kill=die)
    with pytest.raises(DeathError):
        await connections.till.shelf.take()


async def test_one_of_several_parts_is_named_by_its_key() -> None:
    connections = with_failpoint(Connections(), "spare.left.charge.called", kill=die)
    assert await connections.spare["right"].charge(5) == 5
    with pytest.raises(DeathError):
        await connections.spare["left"].charge(5)


def test_the_process_really_ends_by_a_signal_that_it_cannot_catch() -> None:
    script = "from tests.chaos import failpoints; failpoints._kill(); print('still here')"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)  # noqa: S603 - our own words
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")
