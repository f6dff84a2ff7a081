"""A payment provider in memory, held to the same contract tests as the real one behind HTTP."""

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from flashpay.errors import GatewayInFlightError, GatewayRefusedError, GatewayUnavailableError
from flashpay.gateway import Approved, ChargeRequest, ChargeResult, Declined
from flashpay.testing.schedule import Checkpoint, no_checkpoint


class Reply(StrEnum):
    """What the provider does with one charge that it has not answered before."""

    APPROVE = "approve"
    DECLINE = "decline"
    FAIL = "fail"  # 500 before the charge
    LOSE = "lose"  # charges, then drops the connection
    HANG = "hang"  # never answers and never charges


class Abandonment(StrEnum):
    """What becomes of a charge whose caller has gone away in the middle."""

    FINISH = "finish"  # it is made at once
    DROP = "drop"  # it is not made
    LINGER = "linger"  # it stays in flight until `finish_lingering()`


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeCharge:
    """One idempotency key at the provider: what was asked first, and the definite answer."""

    request: ChargeRequest
    result: ChargeResult


class FakeGateway:
    """A `Gateway` for tests, with the idempotency of the real one.

    A repeated key replays the first definite answer, with another content it is refused, in flight it is
    told so. It keeps its charges whatever becomes of its callers.

    Attributes:
        latency: How long a new charge takes; a replay takes none.
        default: What happens to a new charge when nothing is planned.
        on_abandon: What becomes of a charge whose caller leaves, by timeout or cancellation.
        answers: The definite answers by idempotency key.
        charges: Every charge that was really made, in sequence: the witness of who paid how much how often.
        requests: Every call, in sequence.
        in_flight: Calls that wait for their answer now.
        peak_in_flight: The most calls that ever waited at once.
    """

    def __init__(
        self,
        *,
        latency: timedelta = timedelta(0),
        default: Reply = Reply.APPROVE,
        on_abandon: Abandonment = Abandonment.FINISH,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self.latency = latency
        self.default = default
        self.on_abandon = on_abandon
        self.answers: dict[str, FakeCharge] = {}
        self.charges: list[FakeCharge] = []
        self.requests: list[ChargeRequest] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        self._checkpoint = checkpoint
        self._planned: deque[Reply] = deque()
        self._open: dict[str, ChargeRequest] = {}
        self._lingering: set[str] = set()
        self._admitting = asyncio.Event()
        self._admitting.set()
        self._moved = asyncio.Event()

    def plan(self, *replies: Reply) -> None:
        """Say what happens to the next new charges, one reply each; `default` follows."""
        self._planned.extend(replies)

    def hold(self) -> None:
        """Keep every new charge in flight until `let_go()`."""
        self._admitting.clear()

    def let_go(self) -> None:
        """Let the held charges, and those to come, go on."""
        self._admitting.set()

    async def until_in_flight(self, calls: int) -> None:
        """Wait until at least so many calls wait for their answer."""
        while self.in_flight < calls:
            await self._moved.wait()

    def finish_lingering(self) -> None:
        """Make the charges whose callers left under `Abandonment.LINGER`."""
        for key in sorted(self._lingering):
            self._commit(key, Reply.APPROVE)
        self._lingering.clear()

    def charged(self, order_id: str) -> int:
        """How often the customer of this order was charged."""
        return sum(charge.request.order_id == order_id for charge in self.charges)

    async def charge(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeResult:  # noqa: ASYNC109 - the protocol's own deadline
        """See `Gateway.charge`."""
        self.requests.append(request)
        await self._checkpoint("charge.called")
        self._count(1)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                result = await self._answer(request)
        except TimeoutError as error:
            raise GatewayUnavailableError("the fake gateway took too long", reason="timeout") from error
        finally:
            self._count(-1)
        await self._checkpoint("charge.done")
        return result

    def _count(self, change: int) -> None:
        self.in_flight += change
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self._moved.set()
        self._moved = asyncio.Event()

    async def _answer(self, request: ChargeRequest) -> ChargeResult:
        key, content = request.order_id, replace(request, traceparent=None)
        known = self.answers.get(key)
        first = self._open.get(key) if known is None else known.request
        if first not in {None, content}:
            raise GatewayRefusedError(f"{key} was used with another content", reason="key_reused")
        if known is not None:
            return known.result
        if key in self._open:
            raise GatewayInFlightError(f"{key} is in flight", reason="in_flight")
        return await self._new_charge(content, self._planned.popleft() if self._planned else self.default)

    async def _new_charge(self, content: ChargeRequest, reply: Reply) -> ChargeResult:
        if reply is Reply.FAIL:
            raise GatewayUnavailableError("the fake gateway answers 500", reason="server_error")
        self._open[content.order_id] = content
        try:
            await self._checkpoint("charge.in_flight")
            await self._work(reply)
        except BaseException:
            self._abandon(content.order_id, reply)
            raise
        result = self._commit(content.order_id, reply)
        if reply is Reply.LOSE:
            raise GatewayUnavailableError("the fake gateway dropped the connection", reason="connection")
        return result

    async def _work(self, reply: Reply) -> None:
        await self._admitting.wait()
        if reply is Reply.HANG:
            await asyncio.Event().wait()
        if self.latency:
            await asyncio.sleep(self.latency.total_seconds())

    def _abandon(self, key: str, reply: Reply) -> None:
        if reply is Reply.HANG or self.on_abandon is Abandonment.DROP:
            del self._open[key]
        elif self.on_abandon is Abandonment.LINGER and reply is not Reply.DECLINE:
            self._lingering.add(key)
        else:
            self._commit(key, reply)

    def _commit(self, key: str, reply: Reply) -> ChargeResult:
        request = self._open.pop(key)
        if reply is Reply.DECLINE:
            answer = FakeCharge(request=request, result=Declined(reason="card_declined"))
        else:
            answer = FakeCharge(request=request, result=Approved(charge_id=f"ch_{len(self.charges) + 1:06d}"))
            self.charges.append(answer)
        self.answers[key] = answer
        return answer.result
