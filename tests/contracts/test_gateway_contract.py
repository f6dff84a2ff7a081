"""What every payment gateway promises: our tests' fake, the real process behind HTTP, the example of an adapter."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from examples.card_provider import CardProvider
from examples.tests.card_provider_server import card_provider_server
from flashbus.wire.direct import open_direct
from flashbus.wire.limits import TransportLimits
from flashpay import (
    ANSWER_LIMIT_BYTES,
    Approved,
    ChargeRequest,
    ConflictingChargeError,
    Declined,
    DirectExchange,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    NotCharged,
)
from flashpay.testing import FakeGateway, Reply
from tests.contracts.gateway_stages import FakeStage, ProcessStage, Stage

TIMEOUT = timedelta(seconds=10)
SHORT = timedelta(milliseconds=50)
LIMITS = TransportLimits(
    connect_timeout=TIMEOUT,
    read_timeout=timedelta(hours=1),
    connections=100,
    keep_alive=TIMEOUT,
    answer_bytes=ANSWER_LIMIT_BYTES,
)
SLOW = timedelta(milliseconds=700)


@pytest.fixture(params=["fake", "process", "process_direct", "example"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Every gateway that keeps the contract; a new charge is approved at once."""
    if request.param == "fake":
        yield FakeStage(fake=FakeGateway())
        return
    if request.param == "example":
        async with card_provider_server() as server, aiohttp.ClientSession() as session:
            provider = CardProvider(session=session, payments_url=server.url)
            yield FakeStage(fake=server.gateway, adapter=provider)
        return
    url = request.getfixturevalue("gateway_url")
    async with aiohttp.ClientSession() as session, open_direct(url, limits=LIMITS) as connections:
        direct = DirectExchange(connections, base_url=url) if request.param == "process_direct" else None
        process = ProcessStage(session=session, url=url, exchange=direct)
        await process.behave(Reply.APPROVE)
        yield process


@pytest.fixture
def charge() -> ChargeRequest:
    """A charge of an order that no gateway has seen."""
    return ChargeRequest(order_id=f"ord_{uuid.uuid4().hex}", amount_minor=3998, currency="EUR", customer_id=7)


async def test_a_new_charge_is_made_once(stage: Stage, charge: ChargeRequest) -> None:
    result = await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert isinstance(result, Approved)
    assert await stage.charges(charge.order_id) == [(result.charge_id, 3998)]


async def test_a_repeated_charge_gets_the_first_answer_and_is_not_made_again(
    stage: Stage, charge: ChargeRequest
) -> None:
    first = await stage.gateway.charge(charge, timeout=TIMEOUT)
    again = await stage.gateway.charge(replace(charge, traceparent=None), timeout=TIMEOUT)
    assert again == first
    assert len(await stage.charges(charge.order_id)) == 1


async def test_a_replay_takes_no_time_and_is_never_declined(stage: Stage, charge: ChargeRequest) -> None:
    first = await stage.gateway.charge(charge, timeout=TIMEOUT)
    await stage.behave(Reply.DECLINE, latency=timedelta(hours=1))
    assert await stage.gateway.charge(charge, timeout=TIMEOUT) == first


async def test_a_decline_stands_for_good_and_charges_nothing(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.DECLINE)
    first = await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert isinstance(first, Declined)
    assert first.reason
    await stage.behave(Reply.APPROVE)
    assert await stage.gateway.charge(charge, timeout=TIMEOUT) == first
    assert await stage.charges(charge.order_id) == []


async def test_a_failure_charges_nothing_and_can_be_tried_again(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.FAIL)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert caught.value.reason == "server_error"
    assert await stage.charges(charge.order_id) == []
    await stage.behave(Reply.APPROVE)
    assert isinstance(await stage.gateway.charge(charge, timeout=TIMEOUT), Approved)


async def test_a_charge_whose_reply_is_lost_is_found_again(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.LOSE)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert caught.value.reason == "connection"
    made = await stage.charges(charge.order_id)
    await stage.behave(Reply.APPROVE)
    result = await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert isinstance(result, Approved)
    assert made == [(result.charge_id, 3998)]
    assert await stage.charges(charge.order_id) == made


@pytest.mark.parametrize("change", [{"amount_minor": 1}, {"currency": "USD"}, {"customer_id": 8}])
async def test_a_key_with_another_content_is_refused(
    stage: Stage, charge: ChargeRequest, change: dict[str, Any]
) -> None:
    first = await stage.gateway.charge(charge, timeout=TIMEOUT)
    with pytest.raises(GatewayRefusedError) as caught:
        await stage.gateway.charge(replace(charge, **change), timeout=TIMEOUT)
    assert caught.value.reason == "key_reused"
    assert await stage.gateway.charge(charge, timeout=TIMEOUT) == first
    assert [amount for _, amount in await stage.charges(charge.order_id)] == [3998]


async def test_another_trace_is_no_other_content(stage: Stage, charge: ChargeRequest) -> None:
    traces = [f"00-{uuid.uuid4().hex}-00f067aa0ba902b7-01" for _ in range(2)]
    results = [await stage.gateway.charge(replace(charge, traceparent=trace), timeout=TIMEOUT) for trace in traces]
    assert results[0] == results[1]


async def test_of_many_attempts_at_once_one_charges(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.APPROVE, latency=SLOW)
    results = await asyncio.gather(
        *(stage.gateway.charge(charge, timeout=TIMEOUT) for _ in range(5)), return_exceptions=True
    )
    await stage.quiet()
    made = await stage.charges(charge.order_id)
    assert len(made) == 1
    assert Approved(charge_id=made[0][0]) in results
    for result in results:
        assert result == Approved(charge_id=made[0][0]) or isinstance(result, GatewayInFlightError)


async def test_different_orders_are_different_charges(stage: Stage, charge: ChargeRequest) -> None:
    other = replace(charge, order_id=f"{charge.order_id}2")
    first, second = await asyncio.gather(
        stage.gateway.charge(charge, timeout=TIMEOUT), stage.gateway.charge(other, timeout=TIMEOUT)
    )
    assert isinstance(first, Approved)
    assert isinstance(second, Approved)
    assert first.charge_id != second.charge_id


async def test_a_charge_that_outlives_its_callers_patience_is_made_once(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.APPROVE, latency=SLOW)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.gateway.charge(charge, timeout=SHORT)
    assert caught.value.reason == "timeout"
    with suppress(GatewayInFlightError):  # unless this machine is so slow that it is made by now
        await stage.gateway.charge(charge, timeout=TIMEOUT)
    await stage.quiet()
    result = await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert isinstance(result, Approved)
    assert await stage.charges(charge.order_id) == [(result.charge_id, 3998)]


async def test_a_lookup_of_what_was_never_asked_says_so_and_is_no_attempt(stage: Stage, charge: ChargeRequest) -> None:
    assert await stage.gateway.lookup(charge, timeout=TIMEOUT) == NotCharged()
    other = replace(charge, amount_minor=1)
    assert isinstance(await stage.gateway.charge(other, timeout=TIMEOUT), Approved)  # the key is still free


@pytest.mark.parametrize("reply", [Reply.APPROVE, Reply.DECLINE])
async def test_a_lookup_repeats_the_definite_answer(stage: Stage, charge: ChargeRequest, reply: Reply) -> None:
    await stage.behave(reply)
    answer = await stage.gateway.charge(charge, timeout=TIMEOUT)
    await stage.behave(Reply.APPROVE, latency=timedelta(hours=1))
    assert await stage.gateway.lookup(charge, timeout=TIMEOUT) == answer


async def test_a_lookup_finds_the_charge_whose_reply_was_lost(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.LOSE)
    with pytest.raises(GatewayUnavailableError):
        await stage.gateway.charge(charge, timeout=TIMEOUT)
    found = await stage.gateway.lookup(charge, timeout=TIMEOUT)
    assert isinstance(found, Approved)
    assert await stage.charges(charge.order_id) == [(found.charge_id, 3998)]


async def test_a_charge_whose_caller_left_is_in_flight_until_it_is_made(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.APPROVE, latency=SLOW)
    with pytest.raises(GatewayUnavailableError):
        await stage.gateway.charge(charge, timeout=SHORT)
    with pytest.raises(GatewayInFlightError) as caught:
        await stage.gateway.lookup(charge, timeout=TIMEOUT)
    assert (caught.value.alive, caught.value.retry_after) == (True, timedelta(seconds=1))
    await stage.quiet()
    assert isinstance(await stage.gateway.lookup(charge, timeout=TIMEOUT), Approved)


async def test_a_charge_that_hangs_stays_in_flight_and_is_not_made(stage: Stage, charge: ChargeRequest) -> None:
    await stage.behave(Reply.HANG)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.gateway.charge(charge, timeout=SHORT)
    assert (caught.value.reason, caught.value.answered) == ("timeout", False)
    await stage.behave(Reply.APPROVE)
    for ask in (stage.gateway.charge, stage.gateway.lookup):
        with pytest.raises(GatewayInFlightError):
            await ask(charge, timeout=TIMEOUT)
    assert await stage.charges(charge.order_id) == []


async def test_what_failed_was_not_charged(stage: Stage, charge: ChargeRequest) -> None:
    await stage.treat_customer(charge.customer_id, Reply.FAIL)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert (caught.value.status, caught.value.alive) == (500, False)
    assert await stage.gateway.lookup(charge, timeout=TIMEOUT) == NotCharged()
    assert isinstance(await stage.gateway.charge(_of_another(charge), timeout=TIMEOUT), Approved)


async def test_an_outage_is_one_for_lookups_too(stage: Stage, charge: ChargeRequest) -> None:
    await stage.gateway.charge(charge, timeout=TIMEOUT)
    await stage.behave(Reply.FAIL)
    for request in (charge, _of_another(charge)):
        with pytest.raises(GatewayUnavailableError) as caught:
            await stage.gateway.lookup(request, timeout=TIMEOUT)
        assert (caught.value.answered, caught.value.alive) == (True, False)


async def test_one_customers_charges_may_hang_or_be_slow_beside_all_others(stage: Stage, charge: ChargeRequest) -> None:
    slow = replace(_of_another(charge), customer_id=9)
    await stage.treat_customer(charge.customer_id, Reply.HANG)
    await stage.slow_down(9, SLOW)
    for request in (charge, slow):
        with pytest.raises(GatewayUnavailableError):
            await stage.gateway.charge(request, timeout=SHORT)
        with pytest.raises(GatewayInFlightError):
            await stage.gateway.lookup(request, timeout=TIMEOUT)
    third = replace(_of_another(slow), customer_id=10)
    assert isinstance(await stage.gateway.charge(third, timeout=TIMEOUT), Approved)


async def test_a_lookup_for_another_amount_is_a_conflict(stage: Stage, charge: ChargeRequest) -> None:
    await stage.gateway.charge(charge, timeout=TIMEOUT)
    with pytest.raises(ConflictingChargeError):
        await stage.gateway.lookup(replace(charge, amount_minor=1), timeout=TIMEOUT)


def _of_another(charge: ChargeRequest) -> ChargeRequest:
    return replace(charge, order_id=f"{charge.order_id}2", customer_id=charge.customer_id + 1)


async def test_a_forgotten_key_charges_again_and_until_then_a_lookup_finds_the_first_charge(
    stage: Stage, charge: ChargeRequest
) -> None:
    first = await stage.gateway.charge(charge, timeout=TIMEOUT)
    await stage.forget_keys()
    assert await stage.gateway.lookup(charge, timeout=TIMEOUT) == first
    second = await stage.gateway.charge(charge, timeout=TIMEOUT)
    assert await stage.gateway.lookup(charge, timeout=TIMEOUT) == second != first
    assert len(await stage.charges(charge.order_id)) == 2
