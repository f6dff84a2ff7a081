"""A payment provider in memory, held to the same contract tests as the real one behind HTTP."""

import asyncio
from collections import deque
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from flashpay.errors import ConflictingChargeError, GatewayInFlightError, GatewayUnavailableError, KeyReusedError
from flashpay.gateway import Approved, ChargeKnown, ChargeRequest, ChargeResult, Declined, NotCharged
from flashpay.testing.schedule import Checkpoint, no_checkpoint

_SERVER_ERROR = 500
_CONFLICT = 409
_RETRY_AFTER = timedelta(seconds=1)


class Reply(StrEnum):
    """What the provider does with one charge that it has not answered before."""

    APPROVE = "approve"
    DECLINE = "decline"
    FAIL = "fail"  # 500 instead of the charge; as the default for everybody, lookups fail too
    LOSE = "lose"  # charges, then drops the connection
    HANG = "hang"  # never answers and never charges: the key stays in flight
    REFUSE = "refuse"  # takes no connection; as the default for everybody, lookups get none either


class Abandonment(StrEnum):
    """What becomes of a charge whose caller has gone away in the middle."""

    GO_ON = "go on"  # it takes as long as if the caller had stayed, as at the real provider
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
        latencies: Other latencies, by customer.
        default: What happens to a new charge when nothing is planned.
        for_customers: What always happens to the new charges of a customer, whatever is planned.
        lookups_known: Whether it has lookups at all.
        on_abandon: What becomes of a charge whose caller leaves, by timeout or cancellation.
        answers: The definite answers by idempotency key.
        charges: Every charge that was really made, in sequence: the witness of who paid how much how often.
        requests: Every call that charges, in sequence; `lookups` every key that was looked up.
        in_flight: Calls that wait for their answer now.
        peak_in_flight: The most calls that ever waited at once.
        peak_at_work: The most charges that ever were in flight at once, those without a caller included.
    """

    def __init__(
        self,
        *,
        latency: timedelta = timedelta(0),
        default: Reply = Reply.APPROVE,
        on_abandon: Abandonment = Abandonment.GO_ON,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self.latency = latency
        self.latencies: dict[int, timedelta] = {}
        self.default = default
        self.for_customers: dict[int, Reply] = {}
        self.lookups_known = True
        self.on_abandon = on_abandon
        self.answers: dict[str, FakeCharge] = {}
        self.charges: list[FakeCharge] = []
        self.requests: list[ChargeRequest] = []
        self.lookups: list[str] = []
        self.in_flight = 0
        self.peak_in_flight = 0
        self.peak_at_work = 0
        self._checkpoint = checkpoint
        self._planned: deque[Reply] = deque()
        self._open: dict[str, ChargeRequest] = {}
        self._lingering: set[str] = set()
        self._forgotten: set[str] = set()
        self._going_on: set[asyncio.Task[None]] = set()
        self._admitting = asyncio.Event()
        self._admitting.set()
        self._moved = asyncio.Event()

    @property
    def at_work(self) -> int:
        """How many charges are in flight at the provider now, those without a caller included."""
        return len(self._open)

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
        for key in sorted(self._lingering & self._open.keys()):
            self._commit(key, Reply.APPROVE)
        self._lingering.clear()

    def restart(self) -> None:
        """Forget what is in flight, as a provider that died; what it has answered it keeps."""
        for task in self._going_on:
            task.cancel()
        self._lingering.clear()
        self._open.clear()

    def forget_keys(self) -> None:
        """Take the keys of all answers for new ones, as a provider does after a while; lookups find the answers."""
        self._forgotten.update(self.answers)

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

    async def lookup(self, request: ChargeRequest, *, timeout: timedelta) -> ChargeKnown:  # noqa: ARG002, ASYNC109 - as above
        """See `Gateway.lookup`."""
        self.lookups.append(request.order_id)
        await self._checkpoint("lookup.called")
        reachable(self.default)
        if self.default is Reply.FAIL:
            raise failure()
        if not self.lookups_known:
            raise GatewayUnavailableError("the fake gateway has no lookups", reason="access", status=404)
        known = self.answers.get(request.order_id)
        if known is None and request.order_id in self._open:
            raise in_flight(request.order_id)
        await self._checkpoint("lookup.done")
        if known is None:
            return NotCharged()
        if isinstance(known.result, Approved) and _amount(known.request) != _amount(request):
            raise ConflictingChargeError(f"{request.order_id} was charged otherwise", reason="answer_mismatch")
        return known.result

    def _count(self, change: int) -> None:
        self.in_flight += change
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        self._moved.set()
        self._moved = asyncio.Event()

    async def _answer(self, request: ChargeRequest) -> ChargeResult:
        key, content = request.order_id, replace(request, traceparent=None)
        reachable(self.default)
        if key in self._forgotten:
            self._forgotten.discard(key)
            del self.answers[key]
        known = self.answers.get(key)
        first = self._open.get(key) if known is None else known.request
        if first not in {None, content}:
            raise KeyReusedError(f"{key} was used with another content", reason="key_reused")
        if known is not None:
            return known.result
        if key in self._open:
            raise in_flight(key)
        return await self._new_charge(content, self._next_reply(content))

    def _next_reply(self, content: ChargeRequest) -> Reply:
        if content.customer_id in self.for_customers:
            return self.for_customers[content.customer_id]
        return self._planned.popleft() if self._planned else self.default

    async def _new_charge(self, content: ChargeRequest, reply: Reply) -> ChargeResult:
        reachable(reply)
        self._open[content.order_id] = content
        self.peak_at_work = max(self.peak_at_work, self.at_work)
        started = asyncio.get_running_loop().time()
        try:
            await self._checkpoint("charge.in_flight")
            await self._work(content, reply, started)
        except BaseException:
            if self._open.get(content.order_id) is content:
                self._abandon(content, reply, started)
            raise
        if self._open.get(content.order_id) is not content:
            raise GatewayUnavailableError("the fake gateway was restarted", reason="connection")
        return self._answered(content, reply)

    def _answered(self, content: ChargeRequest, reply: Reply) -> ChargeResult:
        if reply is Reply.FAIL:
            del self._open[content.order_id]
            raise failure()
        result = self._commit(content.order_id, reply)
        if reply is Reply.LOSE:
            raise GatewayUnavailableError("the fake gateway dropped the connection", reason="connection")
        return result

    async def _work(self, content: ChargeRequest, reply: Reply, started: float) -> None:
        await self._admitting.wait()
        if reply is Reply.HANG:
            await asyncio.Event().wait()
        latency = self.latencies.get(content.customer_id, self.latency).total_seconds()
        left = latency - (asyncio.get_running_loop().time() - started)
        if latency and left > 0:
            await asyncio.sleep(left)

    def _abandon(self, content: ChargeRequest, reply: Reply, started: float) -> None:
        key = content.order_id
        if reply is Reply.HANG:
            return
        if self.on_abandon is Abandonment.GO_ON:
            task = asyncio.create_task(self._go_on(content, reply, started), name=f"abandoned charge {key}")
            self._going_on.add(task)
            task.add_done_callback(self._going_on.discard)
        elif self.on_abandon is Abandonment.DROP or reply is Reply.FAIL:
            del self._open[key]
        elif self.on_abandon is Abandonment.LINGER and reply is not Reply.DECLINE:
            self._lingering.add(key)
        else:
            self._commit(key, reply)

    async def _go_on(self, content: ChargeRequest, reply: Reply, started: float) -> None:
        await self._work(content, reply, started)
        if self._open.get(content.order_id) is not content:
            return
        if reply is Reply.FAIL:
            del self._open[content.order_id]
        else:
            self._commit(content.order_id, reply)

    def _commit(self, key: str, reply: Reply) -> ChargeResult:
        request = self._open.pop(key)
        if reply is Reply.DECLINE:
            answer = FakeCharge(request=request, result=Declined(reason="card_declined"))
        else:
            answer = FakeCharge(request=request, result=Approved(charge_id=f"ch_{len(self.charges) + 1:06d}"))
            self.charges.append(answer)
        self.answers[key] = answer
        return answer.result


def _amount(request: ChargeRequest) -> tuple[int, str]:
    return request.amount_minor, request.currency


def reachable(reply: Reply) -> None:
    """Raise as if nobody listened, where the reply says so."""
    if reply is Reply.REFUSE:
        raise GatewayUnavailableError("the fake gateway takes no connection", reason="connection")


def failure() -> GatewayUnavailableError:
    """What a 500 becomes."""
    return GatewayUnavailableError("the fake gateway answers 500", reason="server_error", status=_SERVER_ERROR)


def in_flight(key: str) -> GatewayInFlightError:
    """What a 409 becomes."""
    return GatewayInFlightError(f"{key} is in flight", reason="in_flight", retry_after=_RETRY_AFTER, status=_CONFLICT)
