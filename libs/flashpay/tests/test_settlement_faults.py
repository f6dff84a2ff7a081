"""settle() is killed, cancelled or cut off at each of its await points, twice over, and the order still comes right."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from itertools import product

import pytest

from flashmsg import OrderStatus
from flashpay import (
    Approved,
    FlashpayError,
    GatewayUnavailableError,
    LedgerUnavailableError,
    Settled,
    Settlement,
    Settler,
)
from flashpay.testing import Abandonment, FakeGateway, ManualClock, MemoryLedger, Reply, sample_order

ORDER = sample_order()
LATER_PRICE = sample_order(unit_price_minor=1)
LEASE = timedelta(seconds=30)
PLACES = (
    *("claim.called", "claim.done"),
    *("charge.called", "charge.in_flight", "charge.done"),
    *("record.called", "record.done"),
)


class Fault(Enum):
    DEATH = auto()  # kill -9: no line of ours runs any more
    CANCELLATION = auto()
    LOSS = auto()  # of the request on its way, or of the reply


class DeathError(BaseException):
    """Not caught by anything, like the end of the process."""


@dataclass
class Saboteur:
    """Strikes once, at the named place of one attempt."""

    place: str | None = None
    fault: Fault | None = None
    struck: bool = False
    victim: asyncio.Task[Settlement] | None = None

    def aim(self, place: str, fault: Fault) -> None:
        self.place, self.fault, self.struck = place, fault, False

    async def __call__(self, place: str) -> None:
        await asyncio.sleep(0)
        if self.struck or place != self.place:
            return
        self.struck = True
        if self.fault is Fault.DEATH:
            raise DeathError
        if self.fault is Fault.LOSS and place.startswith(("charge", "lookup")):
            raise GatewayUnavailableError("lost on the way", reason="connection")
        if self.fault is Fault.LOSS:
            raise LedgerUnavailableError("lost on the way", reason="connection")
        assert self.victim is not None
        self.victim.cancel()
        await asyncio.sleep(0)


@dataclass
class World:
    """One ledger, one gateway, one clock, and somebody who breaks them."""

    clock: ManualClock
    saboteur: Saboteur
    ledger: MemoryLedger
    gateway: FakeGateway

    @classmethod
    def new(cls, clock: ManualClock, abandonment: Abandonment) -> "World":
        saboteur = Saboteur()
        return cls(
            clock=clock,
            saboteur=saboteur,
            ledger=MemoryLedger(clock=clock, checkpoint=saboteur),
            gateway=FakeGateway(checkpoint=saboteur, on_abandon=abandonment),
        )

    async def attempt(self, place: str, fault: Fault) -> None:
        """Settle with a fault, and check that it hit and that nothing false came out."""
        self.saboteur.aim(place, fault)
        self.saboteur.victim = asyncio.create_task(self.settler.settle(LATER_PRICE if self.gateway.requests else ORDER))
        outcome = (await asyncio.gather(self.saboteur.victim, return_exceptions=True))[0]
        # What is lost between us and the gateway may be found by looking the charge up.
        found = not self.saboteur.struck or (fault is Fault.LOSS and place.startswith(("charge", "lookup")))
        assert found or isinstance(outcome, DeathError | asyncio.CancelledError | FlashpayError)
        if isinstance(outcome, FlashpayError):
            assert outcome.retryable

    @property
    def settler(self) -> Settler:
        return Settler(
            ledger=self.ledger,
            gateway=self.gateway,
            owner="worker",
            lease=LEASE,
            patience=LEASE,
            clock=self.clock,
            sleep=self.let_time_pass,
        )

    async def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        await asyncio.sleep(0)

    async def recover(self) -> None:
        """Let the last lease end and the provider finish, then settle without faults."""
        self.clock.advance(LEASE)
        self.gateway.finish_lingering()
        self.saboteur.struck = True
        await self.settler.settle(ORDER)


@pytest.mark.parametrize("abandonment", Abandonment)
@pytest.mark.parametrize("reply", [Reply.APPROVE, Reply.DECLINE])
async def test_every_pair_of_faults_ends_with_one_charge_and_one_answer(
    clock: ManualClock, abandonment: Abandonment, reply: Reply
) -> None:
    for (first_place, first), (second_place, second) in product(product(PLACES, Fault), repeat=2):
        world = World.new(clock, abandonment)
        world.gateway.default = reply
        await world.attempt(first_place, first)
        clock.advance(LEASE)
        await world.attempt(second_place, second)
        await world.recover()
        entry = world.ledger.entries[ORDER.order_id]
        approved = reply is Reply.APPROVE
        assert world.gateway.charged(ORDER.order_id) == approved
        assert entry.status is (OrderStatus.COMPLETED if approved else OrderStatus.DECLINED)
        if approved:
            assert Approved(charge_id=entry.charge_id or "") == world.gateway.charges[0].result
        # The amount is that of whichever message was claimed first, at every request.
        assert {request.amount_minor for request in world.gateway.requests} == {entry.total_minor}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("place", PLACES)
async def test_a_single_fault_at_each_place_really_strikes(clock: ManualClock, place: str, fault: Fault) -> None:
    world = World.new(clock, Abandonment.FINISH)
    await world.attempt(place, fault)
    assert world.saboteur.struck


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("place", ["lookup.called", "lookup.done"])
async def test_a_fault_at_a_lookup_leaves_one_charge_and_its_answer(
    clock: ManualClock, place: str, fault: Fault
) -> None:
    world = World.new(clock, Abandonment.FINISH)
    world.gateway.plan(Reply.LOSE)
    await world.attempt(place, fault)
    assert world.saboteur.struck
    await world.recover()
    assert world.gateway.charged(ORDER.order_id) == 1
    assert world.ledger.entries[ORDER.order_id].status is OrderStatus.COMPLETED


@pytest.mark.parametrize("place", ["claim.done", "charge.called", "charge.in_flight", "charge.done"])
async def test_without_a_recorded_answer_an_order_stays_open(clock: ManualClock, place: str) -> None:
    world = World.new(clock, Abandonment.FINISH)
    await world.attempt(place, Fault.DEATH)
    assert world.ledger.entries[ORDER.order_id].status is OrderStatus.PROCESSING


async def test_a_lost_reply_to_a_record_is_found_again_as_a_duplicate(clock: ManualClock) -> None:
    world = World.new(clock, Abandonment.FINISH)
    await world.attempt("record.done", Fault.LOSS)
    entry = world.ledger.entries[ORDER.order_id]
    assert entry.status is OrderStatus.COMPLETED
    settlement = await world.settler.settle(ORDER)
    assert not isinstance(settlement, Settled)
    assert world.gateway.charged(ORDER.order_id) == 1
