"""One circuit breaker around whole attempts: while everything fails nobody is sent round, and one finds out."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeAlias

from flashpay.charging import Unanswered
from flashpay.errors import (
    FlashpayError,
    GatewayInFlightError,
    GatewayUnavailableError,
    LedgerUnavailableError,
    StockUnsettledError,
)
from flashpay.eviction import AWAY, EvictionPolicy
from flashpay.settlement import Settled, Settlement
from flashpay.tally import Tally

_LEDGER_PATIENCE_SECONDS = 5.0
_REMEMBERED = 10_000

Attempt: TypeAlias = Callable[[Unanswered], Awaitable[Settlement]]
"""Tries to settle one order; it is given whom to tell when its charge gets no answer."""


class HeldBackError(Exception):
    """Nothing more is tried for this order now; its message shall be away for `after`."""

    def __init__(self, message: str, *, after: timedelta) -> None:
        super().__init__(message)
        self.after = after


@dataclass(slots=True, kw_only=True, eq=False)
class Held:
    """An attempt in its slot. `error` is how it failed last, `turn` what it waits for while the breaker is open."""

    order_id: str
    receives_left: int
    error: FlashpayError | None = None
    turn: asyncio.Future[None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether it waits for its turn to try."""
        return self.turn is not None and not self.turn.done()


class CircuitBreaker:
    """Guards attempts to settle: ledger and gateway alike, with one probe for both.

    It opens when everything fails, not when single orders do (see `Tally`). While it is open every message stays in
    its slot, as each round through the queue would cost it a receive. After each cool-down one attempt finds out:
    first an order that has not failed yet, then the one that was tried the longest ago. A success closes it.
    When failing orders hold all slots, one is evicted now and then (see `EvictionPolicy`), so that another is tried.

    Args:
        slots: How many attempts there are at once, at most.
        ask_ledger: Asks the ledger for something else than the order that failed; raises when it does not answer.
        threshold: Failures that open it.
        cool_down: How long it stays open before the next probe.
        patience: After how long an order that may be in flight may be evicted.
        on_open: Called with the failure that opened it.
        on_close: Called with how long it was open.
    """

    def __init__(
        self,
        *,
        slots: int,
        ask_ledger: Callable[[], Awaitable[object]],
        threshold: int = 5,
        cool_down: timedelta = timedelta(seconds=5),
        patience: timedelta = timedelta(seconds=300),
        on_open: Callable[[FlashpayError], object] | None = None,
        on_close: Callable[[timedelta], object] | None = None,
    ) -> None:
        if cool_down <= timedelta(0):
            raise ValueError("cool_down must be positive")
        self._ask_ledger = ask_ledger
        self._cool_down = cool_down.total_seconds()
        self._on_open = on_open
        self._on_close = on_close
        self._gateway, self._ledger = Tally(threshold=threshold), Tally(threshold=threshold)
        self._eviction = EvictionPolicy(slots=slots, patience=patience)
        self._inside: dict[Held, None] = {}
        self._tried_at: dict[str, float] = {}
        self._opened_at: float | None = None
        self._due = 0.0
        self._probe: Held | None = None
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether attempts are let through."""
        return self._opened_at is None

    def allowance(self, wanted: int) -> int:
        """How many messages to take now: all that are wanted; while open one that was not tried, or none."""
        if self.closed:
            return wanted
        untried = any(held.order_id not in self._tried_at for held in self._inside)
        return 0 if untried else min(wanted, 1)

    async def until_allowance(self) -> None:
        """Wait until `allowance` is not 0, or until the stop."""
        while not self.allowance(1) and not self._stopped:
            await self._changed.wait()

    def stop(self) -> None:
        """Hold nobody any more: whoever waits, or would have to, gets a `HeldBackError`."""
        self._stopped = True
        self._dispatch()

    async def run(self, order_id: str, attempt: Attempt, *, receives_left: int) -> Settlement:
        """Make an attempt, and while the breaker is open others after it, until one has an answer.

        Args:
            order_id: Whom the attempt is for.
            attempt: Made once or more often.
            receives_left: How often the message may still be delivered after this time.

        Raises:
            FlashpayError: The attempt failed, and it is this order's own trouble.
            HeldBackError: The message shall leave its slot while the breaker is open.
        """
        held = Held(order_id=order_id, receives_left=receives_left)
        self._admit(held)
        try:
            settlement = None
            while settlement is None:
                settlement = await self._try(held, attempt)
            return settlement
        finally:
            del self._inside[held]
            self._end_turn(held)
            if not self.closed:
                self._dispatch()

    async def _try(self, held: Held, attempt: Attempt) -> Settlement | None:
        """Make one attempt when its turn comes; None after a failure that another attempt may follow."""
        await self._turn(held)
        try:
            settlement = await attempt(partial(self._unanswered, held))
        except FlashpayError as error:
            await self._note_failure(held, error)
            if not error.retryable or self.closed or isinstance(error, StockUnsettledError):
                raise
            return None
        else:
            self._note_settlement(held, settlement)
            return settlement
        finally:
            self._end_turn(held)

    def _admit(self, held: Held) -> None:
        if self._eviction.slot_is_reserved(now=self._now()):
            if held.order_id not in self._tried_at:
                self._eviction.slot_taken()
            elif held.receives_left > 0:
                raise HeldBackError("the slot is for an order that was not tried yet", after=AWAY)
        self._inside[held] = None

    async def _turn(self, held: Held) -> None:
        if self.closed:
            return
        held.turn = asyncio.get_running_loop().create_future()
        self._dispatch()
        try:
            await held.turn
        finally:
            held.turn = None

    def _unanswered(self, held: Held, error: GatewayUnavailableError, *, alive: bool) -> bool:
        self._failed(self._gateway, held, error, alive=alive)
        return not self.closed

    async def _note_failure(self, held: Held, error: FlashpayError) -> None:
        match error:
            case LedgerUnavailableError():
                self._failed(self._ledger, held, error, alive=await self._ledger_answers())
                return
            case GatewayInFlightError():
                # The provider works, whether well or not nobody knows.
                self._tried(held, error)
            case GatewayUnavailableError():
                held.error = error  # counted when it happened
            case StockUnsettledError(settled=False):
                self._tried(held, error)  # the gateway was not asked: others find out first
            case _:
                self._succeeded(self._gateway, held)
        self._succeeded(self._ledger, held)

    def _note_settlement(self, held: Held, settlement: Settlement) -> None:
        self._succeeded(self._ledger, held)
        if isinstance(settlement, Settled):
            self._succeeded(self._gateway, held)

    async def _ledger_answers(self) -> bool:
        try:
            async with asyncio.timeout(_LEDGER_PATIENCE_SECONDS):
                await self._ask_ledger()
        except (FlashpayError, TimeoutError):
            return False
        return True

    def _failed(self, tally: Tally, held: Held, error: FlashpayError, *, alive: bool) -> None:
        tally.failed(held.order_id, alive=alive)
        self._tried(held, error)
        # The failure is known now, though the attempt may go on looking for its charge: the next may probe.
        self._end_turn(held)
        self._update(error)

    def _succeeded(self, tally: Tally, held: Held) -> None:
        tally.succeeded(held.order_id)
        self._update()

    def _tried(self, held: Held, error: FlashpayError) -> None:
        held.error = error
        self._tried_at.pop(held.order_id, None)
        self._tried_at[held.order_id] = self._now()
        if len(self._tried_at) > _REMEMBERED:
            del self._tried_at[next(iter(self._tried_at))]

    def _end_turn(self, held: Held) -> None:
        if self._probe is held:
            self._probe = None
            self._due = self._now() + self._cool_down

    def _update(self, error: FlashpayError | None = None) -> None:
        down = self._gateway.down or self._ledger.down
        if self._opened_at is None:
            if not down or error is None:
                return
            self._opened_at = self._now()
            self._due = self._opened_at + self._cool_down
            if self._on_open is not None:
                self._on_open(error)
        elif not down:
            open_for = timedelta(seconds=self._now() - self._opened_at)
            self._opened_at = None
            self._tried_at.clear()
            self._eviction.reset()
            if self._on_close is not None:
                self._on_close(open_for)
        self._dispatch()

    def _dispatch(self) -> None:
        """Let go on who may; called whenever something has changed, and by the timer."""
        if self._stopped:
            _release(self._waiting(), HeldBackError("the process stops", after=timedelta(0)))
        elif self.closed:
            _release(self._waiting())
        else:
            # Before a turn is given: who is to leave may be the next to try.
            self._evict()
            self._give_turn()
        self._set_timer()
        self._changed.set()
        self._changed = asyncio.Event()

    def _waiting(self) -> list[Held]:
        return [held for held in self._inside if held.waiting]

    def _give_turn(self) -> None:
        waiting = self._waiting()
        if self._probe is None and waiting and self._now() >= self._due:
            self._probe = min(waiting, key=lambda held: self._tried_at.get(held.order_id, -math.inf))
            _release([self._probe])

    def _evict(self) -> None:
        silent = self._gateway.silent or self._ledger.silent
        leaves = self._eviction.choose(list(self._inside), now=self._now(), silent=silent)
        if leaves is not None and leaves.receives_left > 0:
            _release([leaves], HeldBackError("another order shall be tried", after=AWAY))
        elif leaves is not None:
            _release([leaves], leaves.error)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.closed or self._stopped:
            return
        moments = [] if self._eviction.due is None else [self._eviction.due]
        if self._probe is None and self._waiting():
            moments.append(self._due)
        if moments:
            self._timer = asyncio.get_running_loop().call_at(min(moments), self._dispatch)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _release(waiting: list[Held], error: Exception | None = None) -> None:
    for held in waiting:
        if held.turn is None:
            continue
        if error is None:
            held.turn.set_result(None)
        else:
            held.turn.set_exception(error)
