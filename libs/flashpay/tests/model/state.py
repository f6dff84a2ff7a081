"""One state of everything: the ledger's entry, the message, the processes, the gateway, and the unit."""

from enum import StrEnum, auto
from typing import NamedTuple

from libs.flashpay.tests.model.rules import World


class Named(StrEnum):
    """Hashed like the text that it is, which is fast."""

    __hash__ = str.__hash__


class Status(Named):
    UNMET = auto()  # the ledger has no entry
    PENDING = auto()
    PROCESSING = auto()
    COMPLETED = auto()
    DECLINED = auto()
    FAILED = auto()
    TOMBSTONE = auto()
    CANCELLED = auto()
    REFUNDING = auto()
    REFUNDED = auto()


class End(Named):
    SOLD = auto()
    RETURNED = auto()
    REFUNDED = auto()


class Stage(Named):
    """Where a worker, or a process of the API, is."""

    IDLE = auto()
    CLAIMED = auto()
    LOOKING = auto()  # a reconciler with a claim
    APPROVED = auto()
    DECLINED = auto()
    ENDING = auto()  # the unit, then the message
    DECIDED = auto()  # on a refund
    CHECKED = auto()  # a variant's: it has read that the order may be cancelled
    PAID_BACK = auto()
    NOTED = auto()  # the gateway's answer to the refund is in the ledger
    RETURNED = auto()  # the unit is back, the refund is not recorded
    RETURNING = auto()  # the unit of a cancelled order


class Process(NamedTuple):
    """Its memory. One that is stopped takes its next step later; one that is killed is idle, and knows nothing."""

    stage: Stage = Stage.IDLE
    attempt: int = 0
    end: End | None = None
    acknowledges: bool = False


def alike(processes: list[Process]) -> tuple[Process, ...]:
    """In one sequence, whoever of them it is: two states that only differ in that are the same."""
    return tuple(sorted(processes, key=lambda one: (one.stage, one.attempt, one.end or "", one.acknowledges)))


class Units(NamedTuple):
    """Where the one unit is; the counters of the product."""

    available: int = 0
    reserved: int = 1
    sold: int = 0


class Gateway(NamedTuple):
    """What the provider has done, for ever, and the keys that it remembers, with what it answered."""

    charges: int = 0
    declined: bool = False
    refunds: int = 0
    charge_keys: tuple[tuple[int, bool], ...] = ()
    refund_keys: tuple[int, ...] = ()
    refunds_forgotten: bool = False  # not even a lookup finds them


class State(NamedTuple):
    status: Status
    attempt: int = 0
    leased: bool = False
    queued: bool = True
    workers: tuple[Process, ...] = (Process(), Process())
    apis: tuple[Process, ...] = (Process(), Process())
    gateway: Gateway = Gateway()
    flight: tuple[tuple[str, int], ...] = ()
    late: int = 0  # how many more requests may get no answer
    tries: int = 0  # refunds that were asked for
    old: bool = False  # the window of the charge's key is over
    refund_old: bool = False
    noted: bool = False  # the ledger has the gateway's answer to the refund
    units: Units | None = Units()  # None where nothing is limited
    guard: End | None = None
    told: bool = False  # a client was told that the order is cancelled

    @property
    def is_idle(self) -> bool:
        """Nobody has anything in hand, and nothing is on its way."""
        return not self.flight and all(one.stage is Stage.IDLE for one in (*self.workers, *self.apis))

    @property
    def finds_refund(self) -> bool:
        """Whether a lookup at the gateway finds the refund."""
        return bool(self.gateway.refunds) and not self.gateway.refunds_forgotten

    @property
    def is_quiet(self) -> bool:
        """The order has come to its end, or to a human: a refund that the gateway does not know of any more."""
        lost = self.status is Status.REFUNDING and self.refund_old and not (self.noted or self.finds_refund)
        open_ = {Status.UNMET, Status.PENDING, Status.PROCESSING, Status.TOMBSTONE, Status.REFUNDING}
        return self.is_idle and not self.queued and (self.status not in open_ or lost)


def beginning(world: World) -> State:
    if world.waiting:
        claimed = (Process(Stage.CLAIMED, 1), Process())
        status = Status.PROCESSING
        # Nothing is limited: what a request has reserved is journaled, and the journal is a message to come.
        return State(status=status, attempt=1, leased=True, queued=False, workers=claimed, late=world.late, units=None)
    return State(status=Status.PENDING if world.keyed else Status.UNMET, late=world.late)
