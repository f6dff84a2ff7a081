import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import BaseModel, ValidationError

from flashmsg import (
    MAX_LINES,
    MAX_QUANTITY,
    MAX_SAFE_INTEGER,
    MAX_UNIT_PRICE_MINOR,
    EndedOrder,
    Order,
    OrderOutcome,
    OrderPlaced,
    OrderRequest,
    OrderStatus,
    PricedLine,
    RequestedLine,
    Reservation,
)


def changed(order: Order, **fields: object) -> Order:
    return Order.model_validate({**dict(order), **fields})


def test_every_status_is_terminal_awaits_payment_or_is_being_refunded() -> None:
    assert {status for status in OrderStatus if status.is_terminal} == {
        *("completed", "declined", "sold_out", "failed", "cancelled", "refunded")
    }
    assert {status for status in OrderStatus if status.awaits_payment} == {"pending", "processing"}
    others = {status for status in OrderStatus if not status.is_terminal and not status.awaits_payment}
    assert others == {"refunding"}


def test_total_must_be_the_sum_of_the_lines(order: Order) -> None:
    with pytest.raises(ValidationError, match="not the sum"):
        changed(order, total_minor=order.total_minor - 1)


def test_fingerprint_ignores_what_the_client_did_not_send(order: Order) -> None:
    dearer = changed(
        order,
        items=tuple(line.model_copy(update={"unit_price_minor": 1}) for line in order.items),
        total_minor=3,
        currency="EUR",
        created_at=order.created_at + timedelta(days=1),
        order_id="ord_" + "z" * 26,
    )
    assert dearer.fingerprint == order.fingerprint
    assert changed(order, items=order.items[::-1]).fingerprint == order.fingerprint


def test_a_request_has_the_fingerprint_of_the_orders_made_of_it(order: Order) -> None:
    lines = [{"product_id": line.product_id, "quantity": line.quantity} for line in order.items]
    request = OrderRequest.model_validate_json(json.dumps({"customer_id": order.customer_id, "items": lines}))
    assert request.fingerprint == order.fingerprint


def test_fingerprint_tells_other_content_apart(order: Order) -> None:
    more = (order.items[0].model_copy(update={"quantity": 3}), order.items[1])
    other = (order.items[0].model_copy(update={"product_id": "boot"}), order.items[1])
    prints = {
        order.fingerprint,
        changed(order, customer_id=43).fingerprint,
        changed(order, items=more, total_minor=sum(line.total_minor for line in more)).fingerprint,
        changed(order, items=other).fingerprint,
        changed(order, items=order.items[:1], total_minor=order.items[0].total_minor).fingerprint,
    }
    assert len(prints) == 5


def test_fingerprint_is_the_same_in_every_release(order: Order) -> None:
    # The ledger keeps it: a change here makes every redelivered order a mismatch.
    assert order.fingerprint == "d9e4143a60addfcefb29cbdad4fe5b24cafb2505786a9409d84d914bb50494a7"


def test_created_at_is_kept_in_utc(order: Order) -> None:
    local = datetime(2026, 11, 22, 22, 0, tzinfo=timezone(timedelta(hours=1)))
    assert changed(order, created_at=local).created_at.tzinfo is UTC
    with pytest.raises(ValidationError):
        changed(order, created_at=datetime(2026, 11, 22))  # noqa: DTZ001 - a naive time is what is tested


def test_a_time_that_utc_cannot_tell_is_refused_and_says_so(order: Order) -> None:
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))
    with pytest.raises(ValidationError, match="Input is out of the range of UTC"):
        changed(order, created_at=last)


def test_the_largest_order_has_an_exact_total(order: Order) -> None:
    lines = tuple(
        PricedLine(product_id=f"p{n}", quantity=MAX_QUANTITY, unit_price_minor=MAX_UNIT_PRICE_MINOR)
        for n in range(MAX_LINES)
    )
    largest = changed(order, items=lines, total_minor=sum(line.total_minor for line in lines))
    assert largest.total_minor < MAX_SAFE_INTEGER


@pytest.mark.parametrize(
    "fields",
    [
        {"order_id": "ord_short"},
        {"order_id": "ord_" + "k" * 26 + "\n"},
        {"order_id": "ord_" + "1" * 26},
        {"customer_id": 0},
        {"customer_id": 2**53},
        {"customer_id": True},
        {"customer_id": "42"},
        {"currency": "usd"},
        {"currency": "USDX"},
        {"items": ()},
    ],
)
def test_wrong_fields_are_refused(order: Order, fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        changed(order, **fields)


@pytest.mark.parametrize(
    "model", [RequestedLine, OrderRequest, PricedLine, Order, Reservation, OrderPlaced, EndedOrder, OrderOutcome]
)
def test_what_was_made_cannot_be_changed(model: type[BaseModel]) -> None:
    for field in model.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model.model_construct(), field, None)
