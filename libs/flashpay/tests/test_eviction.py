"""Who leaves when every slot is held by an order that fails, and when."""

from dataclasses import dataclass
from datetime import timedelta

from flashpay import FlashpayError, GatewayInFlightError, GatewayUnavailableError
from flashpay.eviction import EvictionPolicy

FAILURE = GatewayUnavailableError("500", reason="server_error", status=500)
SILENCE = GatewayUnavailableError("nothing", reason="timeout")
IN_FLIGHT = GatewayInFlightError("409", reason="in_flight", status=409)
HOUR = 3600.0


@dataclass
class Failing:
    error: FlashpayError | None = FAILURE
    receives_left: int = 3
    waiting: bool = True


def departures(policy: EvictionPolicy, inside: list[Failing], *, until: float, silent: bool = False) -> list[float]:
    """When somebody leaves; the place is taken by the next one that fails."""
    moments, now = [], 0.0
    while now <= until:
        if policy.choose(inside, now=now, silent=silent) is not None:
            moments.append(now)
        elif policy.due is None:
            break
        else:
            now = policy.due
    return moments


def policy_of(slots: int) -> EvictionPolicy:
    return EvictionPolicy(slots=slots, patience=timedelta(seconds=300))


def test_nobody_leaves_while_there_is_a_free_slot_or_an_order_that_did_not_fail() -> None:
    policy = policy_of(2)
    assert departures(policy, [Failing()], until=HOUR) == []
    assert departures(policy, [Failing(), Failing(error=None)], until=HOUR) == []
    assert policy.due is None


def test_one_leaves_after_half_a_minute_soon_again_and_later_every_hour() -> None:
    moments = departures(policy_of(2), [Failing(), Failing()], until=10 * HOUR)
    pauses = [b - a for a, b in zip([0.0, *moments], moments, strict=False)]
    assert pauses[:12] == [30.0] * 8 + [60.0, 120.0, 240.0, 480.0]
    assert pauses[-1] == HOUR


def test_the_time_counts_from_when_the_last_slot_was_taken_by_a_failing_order() -> None:
    policy, inside = policy_of(2), [Failing(), Failing()]
    assert policy.choose(inside, now=0, silent=False) is None
    assert policy.choose([Failing(), Failing(error=None)], now=20, silent=False) is None
    assert policy.choose(inside, now=25, silent=False) is None
    assert policy.choose(inside, now=54, silent=False) is None
    assert policy.due == 55
    assert policy.choose(inside, now=55, silent=False) is not None


def test_before_the_first_eviction_nothing_is_reserved_and_nothing_due() -> None:
    policy = policy_of(1)
    assert (policy.due, policy.slot_is_reserved(now=0)) == (None, False)


def test_nothing_is_due_any_more_once_one_has_left_or_a_slot_is_free() -> None:
    policy, due = policy_of(1), []
    for now, inside in ((0, [Failing()]), (30, [Failing()]), (40, [Failing()]), (50, [])):
        policy.choose(inside, now=now, silent=False)
        due.append(policy.due)
    assert due == [30, None, 70, None]


def test_after_a_success_it_begins_anew() -> None:
    policy = policy_of(1)
    departures(policy, [Failing()], until=5 * HOUR)
    policy.reset()
    assert (policy.due, policy.slot_is_reserved(now=0)) == (None, False)
    assert departures(policy, [Failing()], until=8 * 30 + 59) == [30.0 * number for number in range(1, 9)]


def test_an_order_that_may_be_in_flight_is_given_patience_first() -> None:
    for error in (IN_FLIGHT, SILENCE):
        moments = departures(policy_of(1), [Failing(error=error)], until=11 * HOUR)
        assert moments == [300.0, 300.0 + 1200, 300 + 1200 + 4800, 300 + 1200 + 4800 + 19200]


def test_an_unanswered_charge_that_the_gateway_does_not_work_on_is_not_in_flight() -> None:
    ended = GatewayUnavailableError("nothing", reason="timeout")
    ended.ended = True
    assert departures(policy_of(1), [Failing(error=ended)], until=60) == [30.0, 60.0]
    inside = [Failing(error=SILENCE, receives_left=9), Failing(error=ended)]
    policy = policy_of(2)
    assert policy.choose(inside, now=0, silent=False) is None
    assert policy.choose(inside, now=30, silent=False) is inside[1]


def test_patience_is_half_a_minute_at_least() -> None:
    policy = EvictionPolicy(slots=1, patience=timedelta(0))
    assert departures(policy, [Failing(error=IN_FLIGHT)], until=200) == [30.0, 150.0]


def test_nobody_leaves_where_nothing_answers() -> None:
    assert departures(policy_of(1), [Failing()], until=100 * HOUR, silent=True) == []


def test_who_can_best_afford_it_leaves() -> None:
    inside = [
        Failing(receives_left=0),
        Failing(error=IN_FLIGHT, receives_left=9),
        Failing(receives_left=1),
        Failing(receives_left=4),
        Failing(receives_left=9, waiting=False),
    ]
    policy = policy_of(5)
    assert policy.choose(inside, now=0, silent=False) is None
    assert policy.choose(inside, now=30, silent=False) is inside[3]


def test_the_last_receive_is_kept_even_if_the_other_may_be_in_flight() -> None:
    inside = [Failing(receives_left=0), Failing(error=IN_FLIGHT, receives_left=1)]
    policy = policy_of(2)
    assert policy.choose(inside, now=0, silent=False) is None
    assert policy.due == 300
    assert policy.choose(inside, now=300, silent=False) is inside[1]


def test_on_their_last_receive_they_leave_after_hours_only() -> None:
    assert departures(policy_of(1), [Failing(receives_left=0)], until=12 * HOUR) == [11 * HOUR]


def test_nobody_leaves_who_is_trying() -> None:
    policy = policy_of(1)
    assert departures(policy, [Failing(waiting=False)], until=HOUR) == []


def test_the_slot_is_reserved_a_minute_for_an_order_that_was_not_tried() -> None:
    policy = policy_of(1)
    assert departures(policy, [Failing()], until=30) == [30.0]
    assert (policy.slot_is_reserved(now=89), policy.slot_is_reserved(now=90)) == (True, False)
    policy.slot_taken()
    assert not policy.slot_is_reserved(now=0)
