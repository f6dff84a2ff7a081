"""From a charge without an answer to what became of it."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from flashpay import (
    Approved,
    ChargeKnown,
    ChargeRequest,
    ConflictingChargeError,
    Declined,
    GatewayInFlightError,
    GatewayUnavailableError,
)
from flashpay.charging import Charger
from flashpay.testing import Abandonment, FakeGateway, ManualClock, Reply

TIMEOUT = timedelta(milliseconds=10)
PATIENCE = timedelta(seconds=300)
REQUEST = ChargeRequest(order_id="ord_a", amount_minor=100, currency="EUR", customer_id=7)


class Stage:
    """A charger whose pauses are noted and take no time, and what happens between two looks."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.gateway = FakeGateway(on_abandon=Abandonment.LINGER)
        self.pauses: list[float] = []
        self.reports: list[tuple[str, bool]] = []
        self.between: Callable[[int], object] = lambda _pause: None
        self.kept = False
        self.charger = Charger(
            gateway=self.gateway, payment_timeout=TIMEOUT, patience=PATIENCE, clock=clock, sleep=self.sleep
        )

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))
        self.between(len(self.pauses))
        await asyncio.sleep(0)

    def report(self, error: GatewayUnavailableError, *, alive: bool) -> bool:
        self.reports.append((error.reason, alive))
        return self.kept

    async def charge(self, request: ChargeRequest = REQUEST) -> Approved | Declined:
        return await self.charger.charge(request, timeout=TIMEOUT, on_unanswered=self.report)


@pytest.fixture
def stage(clock: ManualClock) -> Stage:
    return Stage(clock)


@pytest.mark.parametrize("reply", [Reply.APPROVE, Reply.DECLINE])
async def test_an_answered_charge_is_not_looked_up(stage: Stage, reply: Reply) -> None:
    stage.gateway.plan(reply)
    await stage.charge()
    assert (stage.gateway.lookups, stage.reports, stage.pauses) == ([], [], [])


async def test_a_lost_reply_is_found_at_once_and_is_no_failure(stage: Stage) -> None:
    stage.gateway.plan(Reply.LOSE)
    assert await stage.charge() == Approved(charge_id="ch_000001")
    assert (stage.reports, stage.pauses) == ([], [])


async def test_what_is_known_not_to_be_charged_is_reported_and_raised(stage: Stage) -> None:
    stage.gateway.plan(Reply.FAIL)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.charge()
    assert (caught.value.reason, stage.reports, stage.pauses) == ("server_error", [("server_error", True)], [])


async def test_a_slow_charge_keeps_its_slot_until_it_is_answered(stage: Stage) -> None:
    stage.gateway.latency = timedelta(hours=1)
    stage.between = lambda pause: stage.gateway.finish_lingering() if pause == 7 else None
    assert await stage.charge() == Approved(charge_id="ch_000001")
    assert len(stage.gateway.requests) == 1
    assert stage.reports == [("timeout", True)]
    assert len(stage.pauses) == 7
    for pause, around in zip(stage.pauses, [1, 2, 4, 5, 5, 5, 5], strict=True):
        assert around * 0.8 <= pause <= around * 1.2
    assert len(set(stage.pauses[3:])) > 1  # not all at the same moment
    # Nothing is kept of a charge that is over.
    assert stage.charger._holds == set()
    await asyncio.sleep(0)
    assert not any(task.get_name() == "out of patience" for task in asyncio.all_tasks())


async def test_a_charge_that_fails_after_its_deadline_is_raised_as_ended(stage: Stage) -> None:
    stage.gateway.plan(Reply.HANG)
    stage.between = lambda pause: stage.gateway.restart() if pause == 3 else None
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.charge()
    assert (caught.value.reason, caught.value.answered, caught.value.ended) == ("timeout", False, True)
    assert len(stage.pauses) == 3


async def test_a_charge_of_which_nothing_is_known_has_not_ended(stage: Stage) -> None:
    stage.gateway.default = Reply.REFUSE
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.charge()
    assert not caught.value.ended


async def test_it_is_reported_before_the_wait_and_not_after(stage: Stage) -> None:
    stage.gateway.plan(Reply.HANG)
    known: list[int] = []
    stage.between = lambda _pause: known.append(len(stage.reports))
    with pytest.raises(GatewayInFlightError):
        await stage.charge()
    assert set(known) == {1}


async def test_patience_ends(stage: Stage) -> None:
    stage.gateway.plan(Reply.HANG)
    with pytest.raises(GatewayInFlightError) as caught:
        await stage.charge()
    assert PATIENCE.total_seconds() <= sum(stage.pauses) <= PATIENCE.total_seconds() + 6
    assert caught.value.retryable
    assert len(stage.gateway.requests) == 1


async def test_patience_ends_at_its_end(stage: Stage) -> None:
    stage.gateway.plan(Reply.HANG)
    over = stage.clock() + PATIENCE

    def pass_by(_pause: int) -> None:
        stage.clock.now = over

    stage.between = pass_by
    with pytest.raises(GatewayInFlightError):
        await stage.charge()
    assert len(stage.pauses) == 1


@pytest.mark.parametrize(("others", "given_up"), [(2, False), (3, True)])
async def test_a_charge_that_three_later_ones_overtake_hangs_by_itself(
    stage: Stage, others: int, *, given_up: bool
) -> None:
    stage.gateway.plan(Reply.HANG)
    later = [ChargeRequest(order_id=f"o{n}", amount_minor=1, currency="EUR", customer_id=7) for n in range(others)]
    tasks: list[asyncio.Task[Approved | Declined]] = []

    def overtake(pause: int) -> None:
        # From within a pause: each begins after the deadline of the one that hangs.
        if pause == 1:
            tasks.extend(asyncio.create_task(stage.charge(request)) for request in later)

    stage.between = overtake
    with pytest.raises(GatewayInFlightError):
        await stage.charge()
    await asyncio.gather(*tasks)
    assert (sum(stage.pauses) < PATIENCE.total_seconds() / 3) == given_up


async def test_charges_that_began_before_its_deadline_overtake_nobody(stage: Stage) -> None:
    stage.gateway.hold()
    others = [
        asyncio.create_task(
            stage.charger.charge(
                ChargeRequest(order_id=f"o{number}", amount_minor=1, currency="EUR", customer_id=7),
                timeout=timedelta(seconds=5),
            )
        )
        for number in range(4)
    ]
    await stage.gateway.until_in_flight(4)
    stage.clock.advance(timedelta(seconds=1))
    stage.gateway.plan(Reply.HANG)
    stage.between = lambda pause: stage.gateway.let_go() if pause == 1 else None
    with pytest.raises(GatewayInFlightError):
        await stage.charge()
    await asyncio.gather(*others)
    assert sum(stage.pauses) >= PATIENCE.total_seconds()


async def test_a_key_in_flight_for_another_attempt_is_not_waited_for(stage: Stage) -> None:
    stage.gateway.hold()
    first = asyncio.create_task(stage.gateway.charge(REQUEST, timeout=timedelta(seconds=5)))
    await stage.gateway.until_in_flight(1)
    with pytest.raises(GatewayInFlightError):
        await stage.charge()
    assert (stage.pauses, stage.reports, stage.gateway.lookups) == ([], [], [])
    stage.gateway.let_go()
    await first


async def test_nobody_who_answers_is_waited_for_unless_the_slot_is_kept_anyway(stage: Stage) -> None:
    stage.gateway.default = Reply.REFUSE
    stage.kept = True
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.charge()
    assert (caught.value.reason, stage.pauses, stage.reports) == ("connection", [], [("connection", False)])
    stage.kept = False
    stage.between = lambda pause: setattr(stage.gateway, "default", Reply.APPROVE) if pause == 3 else None
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.charge()
    assert len(stage.pauses) == 3  # then it is known that nothing was charged
    assert caught.value.reason == "connection"


async def test_an_answer_of_500_with_no_lookups_is_not_waited_for(stage: Stage) -> None:
    stage.gateway.default = Reply.FAIL
    with pytest.raises(GatewayUnavailableError):
        await stage.charge()
    assert (stage.pauses, stage.reports) == ([], [("server_error", False)])


async def test_a_provider_is_alive_that_answers_about_another_order(stage: Stage) -> None:
    async def lookup_of_this_one_fails(place: str) -> None:
        await asyncio.sleep(0)
        if place == "lookup.called" and stage.gateway.lookups[-1] == REQUEST.order_id:
            raise GatewayUnavailableError("500", reason="server_error", status=500)

    stage.gateway._checkpoint = lookup_of_this_one_fails
    stage.gateway.plan(Reply.FAIL)
    with pytest.raises(GatewayUnavailableError):
        await stage.charge()
    assert stage.reports == [("server_error", True)]


@pytest.mark.parametrize("kept", [False, True])
async def test_a_provider_without_lookups_is_asked_by_repeating_the_charge(stage: Stage, *, kept: bool) -> None:
    stage.kept = kept  # by a breaker that may close while the charge is worked on
    stage.gateway.lookups_known = False
    stage.gateway.latency = timedelta(hours=1)
    stage.between = lambda pause: stage.gateway.finish_lingering() if pause == 4 else None
    assert await stage.charge() == Approved(charge_id="ch_000001")
    assert {request.order_id for request in stage.gateway.requests} == {REQUEST.order_id}
    assert stage.gateway.charged(REQUEST.order_id) == 1


@pytest.mark.parametrize(
    ("second", "charges"),
    [
        (GatewayUnavailableError("silent again", reason="timeout"), 3),  # it may still be worked on
        (GatewayUnavailableError("500", reason="server_error", status=500), 2),  # it is not any more
    ],
)
async def test_a_charge_is_repeated_until_it_is_known_not_to_be_worked_on(
    stage: Stage, second: GatewayUnavailableError, charges: int
) -> None:
    ends = [GatewayUnavailableError("silent", reason="timeout"), second]
    asked: list[str] = []

    async def end(place: str) -> None:
        if place == "charge.called":
            asked.append(place)
            if ends:
                raise ends.pop(0)

    stage.gateway.lookups_known = False
    stage.gateway._checkpoint = end
    result = (await asyncio.gather(stage.charge(), return_exceptions=True))[0]
    assert isinstance(result, Approved) == (charges == 3)
    assert isinstance(result, Approved) or (isinstance(result, GatewayUnavailableError) and result.ended)
    assert len(asked) == charges


async def test_a_receipt_for_another_charge_found_by_a_lookup_is_told(stage: Stage) -> None:
    async def confused(place: str) -> None:
        await asyncio.sleep(0)
        if place == "lookup.called":
            raise ConflictingChargeError("other", reason="answer_mismatch")

    stage.gateway._checkpoint = confused
    stage.gateway.plan(Reply.LOSE)
    with pytest.raises(ConflictingChargeError):
        await stage.charge()


async def test_without_patience_nobody_waits(stage: Stage) -> None:
    stage.gateway.plan(Reply.HANG)
    stage.between = lambda pause: stage.charger.lose_patience() if pause == 2 else None
    with pytest.raises(GatewayInFlightError):
        await stage.charge()
    assert len(stage.pauses) == 2


async def test_a_pause_that_fails_ends_the_charge(stage: Stage) -> None:
    def fail(_pause: int) -> None:
        raise RuntimeError("no clock")

    stage.gateway.plan(Reply.HANG)
    stage.between = fail
    with pytest.raises(RuntimeError, match="no clock"):
        await stage.charge()


class Watched(FakeGateway):
    """Keeps what every question was asked with."""

    def __init__(self, *, default: Reply) -> None:
        super().__init__(default=default)
        self.asked: list[tuple[str, timedelta]] = []
        self.retry_after: timedelta | None = None

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ASYNC109 - the protocol's
        self.asked.append((request.order_id, timeout))
        if self.retry_after is not None:
            raise GatewayInFlightError("409", reason="in_flight", retry_after=self.retry_after, status=409)
        return await super().lookup(request, timeout=timeout)


@pytest.mark.parametrize(("payment_timeout", "patient"), [(3, 3), (5, 5), (10, 5)])
async def test_a_question_waits_five_seconds_and_no_longer_than_a_payment(
    clock: ManualClock, payment_timeout: int, patient: int
) -> None:
    gateway = Watched(default=Reply.REFUSE)
    charger = Charger(
        gateway=gateway, payment_timeout=timedelta(seconds=payment_timeout), patience=timedelta(0), clock=clock
    )
    with pytest.raises(GatewayUnavailableError):
        await charger.charge(REQUEST, timeout=TIMEOUT, on_unanswered=lambda _error, *, alive: not alive)
    # First about this charge, then about one that there cannot be.
    assert gateway.asked == [("ord_a", timedelta(seconds=patient)), ("no-order", timedelta(seconds=patient))]


@pytest.mark.parametrize(("asked", "around"), [(0.5, 1), (3, 3), (60, 5)])
async def test_a_pause_that_the_gateway_asks_for_is_kept_up_to_five_seconds(
    stage: Stage, asked: float, around: float
) -> None:
    gateway = Watched(default=Reply.LOSE)
    gateway.retry_after = timedelta(seconds=asked)
    stage.between = lambda _pause: stage.charger.lose_patience()
    stage.charger._gateway = gateway
    with pytest.raises(GatewayInFlightError):
        await stage.charge()
    assert len(stage.pauses) == 1
    assert around * 0.8 <= stage.pauses[0] <= around * 1.2
