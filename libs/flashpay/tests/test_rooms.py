"""Who leaves when every slot is held by an order that fails, and when."""

from dataclasses import dataclass
from datetime import timedelta

from flashpay import FlashpayError, GatewayInFlightError, GatewayUnavailableError
from flashpay.rooms import Rooms

FAILURE = GatewayUnavailableError("500", reason="server_error", status=500)
SILENCE = GatewayUnavailableError("nothing", reason="timeout")
IN_FLIGHT = GatewayInFlightError("409", reason="in_flight", status=409)
HOUR = 3600.0


@dataclass
class Sitting:
    error: FlashpayError | None = FAILURE
    receives_left: int = 3
    waiting: bool = True


def departures(rooms: Rooms, inside: list[Sitting], *, until: float, silent: bool = False) -> list[float]:
    """When somebody leaves; the place is taken by the next one that fails."""
    moments, now = [], 0.0
    while now <= until:
        if rooms.who_leaves(inside, now=now, silent=silent) is not None:
            moments.append(now)
        elif rooms.due is None:
            break
        else:
            now = rooms.due
    return moments


def rooms_of(slots: int) -> Rooms:
    return Rooms(slots=slots, patience=timedelta(seconds=300))


def test_nobody_leaves_while_there_is_a_free_slot_or_an_order_that_did_not_fail() -> None:
    rooms = rooms_of(2)
    assert departures(rooms, [Sitting()], until=HOUR) == []
    assert departures(rooms, [Sitting(), Sitting(error=None)], until=HOUR) == []
    assert rooms.due is None


def test_one_leaves_after_half_a_minute_soon_again_and_later_every_hour() -> None:
    moments = departures(rooms_of(2), [Sitting(), Sitting()], until=10 * HOUR)
    pauses = [b - a for a, b in zip([0.0, *moments], moments, strict=False)]
    assert pauses[:12] == [30.0] * 8 + [60.0, 120.0, 240.0, 480.0]
    assert pauses[-1] == HOUR


def test_the_time_counts_from_when_the_last_slot_was_taken_by_a_failing_order() -> None:
    rooms, inside = rooms_of(2), [Sitting(), Sitting()]
    assert rooms.who_leaves(inside, now=0, silent=False) is None
    assert rooms.who_leaves([Sitting(), Sitting(error=None)], now=20, silent=False) is None
    assert rooms.who_leaves(inside, now=25, silent=False) is None
    assert rooms.who_leaves(inside, now=54, silent=False) is None
    assert rooms.due == 55
    assert rooms.who_leaves(inside, now=55, silent=False) is not None


def test_before_the_first_has_left_nothing_is_searched_and_nothing_due() -> None:
    rooms = rooms_of(1)
    assert (rooms.due, rooms.searching(now=0)) == (None, False)


def test_nothing_is_due_any_more_once_one_has_left_or_a_slot_is_free() -> None:
    rooms, due = rooms_of(1), []
    for now, inside in ((0, [Sitting()]), (30, [Sitting()]), (40, [Sitting()]), (50, [])):
        rooms.who_leaves(inside, now=now, silent=False)
        due.append(rooms.due)
    assert due == [30, None, 70, None]


def test_after_a_success_it_begins_anew() -> None:
    rooms = rooms_of(1)
    departures(rooms, [Sitting()], until=5 * HOUR)
    rooms.reset()
    assert (rooms.due, rooms.searching(now=0)) == (None, False)
    assert departures(rooms, [Sitting()], until=8 * 30 + 59) == [30.0 * number for number in range(1, 9)]


def test_an_order_that_may_be_in_flight_is_given_patience_first() -> None:
    for error in (IN_FLIGHT, SILENCE):
        moments = departures(rooms_of(1), [Sitting(error=error)], until=11 * HOUR)
        assert moments == [300.0, 300.0 + 1200, 300 + 1200 + 4800, 300 + 1200 + 4800 + 19200]


def test_patience_is_half_a_minute_at_least() -> None:
    rooms = Rooms(slots=1, patience=timedelta(0))
    assert departures(rooms, [Sitting(error=IN_FLIGHT)], until=200) == [30.0, 150.0]


def test_nobody_leaves_where_nothing_answers() -> None:
    assert departures(rooms_of(1), [Sitting()], until=100 * HOUR, silent=True) == []


def test_who_can_best_afford_it_leaves() -> None:
    inside = [
        Sitting(receives_left=0),
        Sitting(error=IN_FLIGHT, receives_left=9),
        Sitting(receives_left=1),
        Sitting(receives_left=4),
        Sitting(receives_left=9, waiting=False),
    ]
    rooms = rooms_of(5)
    assert rooms.who_leaves(inside, now=0, silent=False) is None
    assert rooms.who_leaves(inside, now=30, silent=False) is inside[3]


def test_the_last_receive_is_kept_even_if_the_other_may_be_in_flight() -> None:
    inside = [Sitting(receives_left=0), Sitting(error=IN_FLIGHT, receives_left=1)]
    rooms = rooms_of(2)
    assert rooms.who_leaves(inside, now=0, silent=False) is None
    assert rooms.due == 300
    assert rooms.who_leaves(inside, now=300, silent=False) is inside[1]


def test_on_their_last_receive_they_leave_after_hours_only() -> None:
    assert departures(rooms_of(1), [Sitting(receives_left=0)], until=12 * HOUR) == [11 * HOUR]


def test_nobody_leaves_who_is_trying() -> None:
    rooms = rooms_of(1)
    assert departures(rooms, [Sitting(waiting=False)], until=HOUR) == []


def test_the_room_is_searched_a_minute_for_an_order_that_was_not_tried() -> None:
    rooms = rooms_of(1)
    assert departures(rooms, [Sitting()], until=30) == [30.0]
    assert (rooms.searching(now=89), rooms.searching(now=90)) == (True, False)
    rooms.found()
    assert not rooms.searching(now=0)
