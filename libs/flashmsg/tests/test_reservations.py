import json

import pytest
from pydantic import ValidationError

from flashmsg import MalformedMessageError, Order, OrderPlaced, Reservation, decode, encode

RESERVATION = Reservation(id="rsv_" + "a" * 24, units={"sneaker-42": 2})


def changed(text: str, **fields: object) -> str:
    return json.dumps({**json.loads(text), **fields})


def test_a_reservation_travels_beside_the_order(order: Order) -> None:
    event = OrderPlaced.of(order, reservation=RESERVATION)
    text = encode(event)
    assert json.loads(text)["reservation"] == {"id": RESERVATION.id, "units": {"sneaker-42": 2}}
    assert "reservation" not in json.loads(text)["data"]
    assert decode(text) == event


def test_an_event_without_a_reservation_is_what_it_always_was(order: Order) -> None:
    text = encode(OrderPlaced.of(order))
    assert "reservation" not in json.loads(text)
    assert decode(text).reservation is None


def test_a_reservation_stays_as_it_was_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RESERVATION.id = "rsv_" + "b" * 24  # type: ignore[misc]


def test_a_reservation_is_no_part_of_the_fingerprint(order: Order) -> None:
    event = decode(encode(OrderPlaced.of(order, reservation=RESERVATION)))
    assert event.data == order
    assert event.data.fingerprint == order.fingerprint


def test_a_reservation_of_a_newer_producer_is_read(order: Order) -> None:
    text = encode(OrderPlaced.of(order, reservation=RESERVATION))
    newer = changed(text, reservation={**json.loads(text)["reservation"], "warehouse": "north"})
    assert decode(newer).reservation == RESERVATION


@pytest.mark.parametrize(
    "reservation",
    [
        {"id": "rsv_1", "units": {"cap": 1}},
        {"id": RESERVATION.id, "units": {}},
        {"id": RESERVATION.id, "units": {"cap": 0}},
        {"id": RESERVATION.id, "units": {"cap": 1.5}},
        {"id": RESERVATION.id, "units": {"cap": "1"}},
        {"id": RESERVATION.id, "units": {"Not a product": 1}},
        {"id": RESERVATION.id},
        "rsv",
    ],
)
def test_what_is_no_reservation_is_malformed(order: Order, reservation: object) -> None:
    with pytest.raises(MalformedMessageError, match="/reservation"):
        decode(changed(encode(OrderPlaced.of(order)), reservation=reservation))
