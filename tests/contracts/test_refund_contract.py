"""What everybody who pays charges back must do: the fake, and the gateway's process."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from flashpay import (
    Approved,
    ChargeRequest,
    ConflictingChargeError,
    GatewayInFlightError,
    GatewayRefusedError,
    GatewayUnavailableError,
    NotRefunded,
    Refunded,
    RefundRequest,
    Refunds,
)
from flashpay.testing import FakeGateway, FakeRefunds, Reply
from tests.contracts.gateway_stages import ProcessStage

TIMEOUT = timedelta(seconds=10)
SHORT = timedelta(milliseconds=50)


@dataclass(frozen=True, kw_only=True)
class FakeStage:
    """The fake, with a charge made at the fake gateway."""

    subject: FakeRefunds
    charged: RefundRequest

    async def behave(self, reply: Reply) -> None:
        self.subject.default = reply

    async def refunds(self) -> list[tuple[str, int]]:
        return [
            (refund.result.refund_id, refund.request.amount_minor)
            for refund in self.subject.refunds
            if refund.request.order_id == self.charged.order_id
        ]


@dataclass(frozen=True, kw_only=True)
class RealStage:
    """The process, with a charge made at it."""

    subject: Refunds
    process: ProcessStage
    charged: RefundRequest

    async def behave(self, reply: Reply) -> None:
        await self.process.behave(reply)

    async def refunds(self) -> list[tuple[str, int]]:
        return await self.process.refunds(self.charged.order_id)


Stage = FakeStage | RealStage


@pytest.fixture(params=["fake", "process"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Everybody who pays back, each with an order that was charged."""
    asked = ChargeRequest(order_id=f"ord_{uuid.uuid4().hex}", amount_minor=3998, currency="EUR", customer_id=7)
    if request.param == "fake":
        gateway = FakeGateway()
        charged = _refund_of(asked, await gateway.charge(asked, timeout=TIMEOUT))
        yield FakeStage(subject=FakeRefunds(gateway=gateway), charged=charged)
        return
    async with aiohttp.ClientSession() as session:
        process = ProcessStage(session=session, url=request.getfixturevalue("gateway_url"))
        await process.behave(Reply.APPROVE)
        charged = _refund_of(asked, await process.gateway.charge(asked, timeout=TIMEOUT))
        yield RealStage(subject=process.gateway, process=process, charged=charged)


def _refund_of(asked: ChargeRequest, charged: object) -> RefundRequest:
    assert isinstance(charged, Approved)
    return RefundRequest(
        order_id=asked.order_id,
        charge_id=charged.charge_id,
        amount_minor=asked.amount_minor,
        currency=asked.currency,
        customer_id=asked.customer_id,
    )


async def test_a_charge_is_paid_back_once_however_often_it_is_asked_for(stage: Stage) -> None:
    answers = [await stage.subject.refund(stage.charged, timeout=TIMEOUT) for _ in range(3)]
    assert answers == [answers[0]] * 3
    assert await stage.refunds() == [(answers[0].refund_id, 3998)]


async def test_of_many_requests_at_once_one_pays_back(stage: Stage) -> None:
    asking = (stage.subject.refund(stage.charged, timeout=TIMEOUT) for _ in range(5))
    answers = await asyncio.gather(*asking, return_exceptions=True)
    [(refund_id, _)] = await stage.refunds()
    for answer in answers:
        assert answer == Refunded(refund_id=refund_id) or isinstance(answer, GatewayInFlightError)


async def test_a_refund_whose_reply_is_lost_is_found_again(stage: Stage) -> None:
    await stage.behave(Reply.LOSE)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.subject.refund(stage.charged, timeout=TIMEOUT)
    assert not caught.value.answered
    [(refund_id, _)] = await stage.refunds()
    await stage.behave(Reply.APPROVE)
    for ask in (stage.subject.lookup_refund, stage.subject.refund):
        assert await ask(stage.charged, timeout=TIMEOUT) == Refunded(refund_id=refund_id)
    assert len(await stage.refunds()) == 1


async def test_a_refund_that_failed_was_not_made_and_can_be_asked_for_again(stage: Stage) -> None:
    await stage.behave(Reply.FAIL)
    for ask in (stage.subject.refund, stage.subject.lookup_refund):
        with pytest.raises(GatewayUnavailableError) as caught:
            await ask(stage.charged, timeout=TIMEOUT)
        assert caught.value.reason == "server_error"
    assert await stage.refunds() == []
    await stage.behave(Reply.APPROVE)
    assert await stage.subject.lookup_refund(stage.charged, timeout=TIMEOUT) == NotRefunded()
    assert isinstance(await stage.subject.refund(stage.charged, timeout=TIMEOUT), Refunded)


async def test_a_refund_that_hangs_is_in_flight(stage: Stage) -> None:
    await stage.behave(Reply.HANG)
    with pytest.raises(GatewayUnavailableError) as caught:
        await stage.subject.refund(stage.charged, timeout=SHORT)
    assert caught.value.reason == "timeout"
    await stage.behave(Reply.APPROVE)
    for ask in (stage.subject.refund, stage.subject.lookup_refund):
        with pytest.raises(GatewayInFlightError):
            await ask(stage.charged, timeout=TIMEOUT)
    assert await stage.refunds() == []


@pytest.mark.parametrize("change", [{"charge_id": "ch_of_nobody"}, {"amount_minor": 3999}, {"order_id": "ord_other"}])
async def test_what_was_not_charged_is_not_paid_back(stage: Stage, change: dict[str, Any]) -> None:
    with pytest.raises(GatewayRefusedError) as caught:
        await stage.subject.refund(replace(stage.charged, **change), timeout=TIMEOUT)
    assert not caught.value.retryable
    assert await stage.refunds() == []


async def test_a_lookup_for_another_amount_is_a_conflict(stage: Stage) -> None:
    await stage.subject.refund(stage.charged, timeout=TIMEOUT)
    with pytest.raises(ConflictingChargeError):
        await stage.subject.lookup_refund(replace(stage.charged, amount_minor=1), timeout=TIMEOUT)
