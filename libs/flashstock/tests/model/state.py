"""One state of everything: the table, the processes, the topic with its queue, the ledger, and what is on its way."""

from enum import Enum, auto
from typing import NamedTuple, TypeAlias, TypeVar

from libs.flashstock.tests.model.rules import World

Item = TypeVar("Item")
SOLD_OUT = "sold out"
Told: TypeAlias = bool | str | None


class Named(Enum):
    """Compared by identity, so hashed fast."""

    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return self.name


class Life(Named):
    OPEN = auto()
    CLOSED = auto()
    GONE = auto()


class Stage(Named):
    """What a process knows of one reservation."""

    NEW = auto()
    HELD = auto()
    SENT = auto()  # published before it is journaled: a variant's
    PAGED = auto()  # in a page whose write has no answer yet
    JOURNALED = auto()
    REFUSED = auto()  # the topic certainly has not taken it
    DOUBT = auto()
    DONE = auto()


class End(Named):
    SOLD = auto()
    RETURNED = auto()
    REOPENED = auto()  # a failed order is redriven: its reservation is to end again
    UNBACKED = auto()  # paid after its unit had been returned and sold to another


class Status(Named):
    COMPLETED = auto()
    DECLINED = auto()
    FAILED = auto()
    CLAIMED = auto()  # again, after it had failed
    CHARGING = auto()  # claimed again, and its reservation reopened


class Page(NamedTuple):
    slot: int
    sequence: int
    used: int
    entries: tuple[int, ...]


class Slot(NamedTuple):
    closed: bool = False
    page: Page = Page(0, 0, 0, ())


class Lease(NamedTuple):
    units: int
    sequence: int


class Session(NamedTuple):
    life: Life
    slots: tuple[Slot | None, ...]
    lease: Lease | None = None


class Process(NamedTuple):
    """A seller's memory. One that is killed or stopped takes no step: the search has those schedules anyway."""

    idle: int = 0
    used: int = 0
    sequence: int = 0
    unsure: bool = False  # a lease or return has no answer yet: nothing is sold from it
    fenced: bool = False
    written: int = 0
    pages: tuple[Page, ...] = ()


class Reclaim(NamedTuple):
    """What the reclaimer at work on a session has read; forgotten when another one begins."""

    unpublished: tuple[int, ...]
    lease: Lease | None
    used: int


class Guard(NamedTuple):
    end: End
    opened: int = 0  # how often it was reopened


class Entry(NamedTuple):
    status: Status
    reservation: int
    opened: int = 0  # how often a redrive claimed it


class State(NamedTuple):
    available: int
    reserved: int
    sold: int
    sessions: tuple[Session, ...]
    processes: tuple[Process, ...]
    stages: tuple[Stage, ...]
    accepted: tuple[Told, ...]  # told to the client: 202, "not accepted", "sold out", or nothing that binds
    slots: tuple[int, ...]  # where the process journaled a reservation
    endings: tuple[Guard | None, ...]
    ledger: tuple[Entry | None, ...]
    queue: tuple[bool, ...]
    flight: tuple["Write", ...]
    late: int  # how many more writes may get no answer
    reclaims: tuple[Reclaim | None, ...]

    @property
    def is_quiet(self) -> bool:
        """Every session is reclaimed, the queue is empty but for dead letters, and nothing is on its way."""
        dead = [entry.reservation for entry in self.ledger if entry and entry.status is Status.FAILED]
        waiting = any(
            waits and not (number in dead and (guard := self.endings[number]) and guard.end is End.RETURNED)
            for number, waits in enumerate(self.queue)
        )
        return not self.flight and not waiting and all(session.life is Life.GONE for session in self.sessions)


class Write(NamedTuple):
    """A request that has left its process and may land later, or never."""

    kind: str
    session: int
    number: int
    expected: int = 0
    page: Page = Page(0, 0, 0, ())
    end: End | None = None


def beginning(world: World) -> State:
    requests, sessions = len(world.places), world.sessions
    session = Session(Life.OPEN, (Slot(),) * world.slots)
    return State(
        available=world.total,
        reserved=0,
        sold=0,
        sessions=(session,) * sessions,
        processes=(Process(),) * sessions,
        stages=(Stage.NEW,) * requests,
        accepted=(None,) * requests,
        slots=(-1,) * requests,
        endings=(None,) * requests,
        ledger=(None,) * (max(world.orders) + 1),
        queue=(False,) * requests,
        flight=(),
        late=world.late,
        reclaims=(None,) * sessions,
    )


def put(items: tuple[Item, ...], index: int, item: Item) -> tuple[Item, ...]:
    return (*items[:index], item, *items[index + 1 :])
