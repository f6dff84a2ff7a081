"""A breaker on its stage: what the orders that it lets through shall end like."""

import asyncio
from datetime import timedelta

from flashpay import (
    CircuitBreaker,
    FlashpayError,
    GatewayInFlightError,
    GatewayUnavailableError,
    LedgerEntry,
    LedgerUnavailableError,
    Settled,
    Settlement,
    Unanswered,
)
from flashpay.testing import START, sample_order

COOL_DOWN = timedelta(milliseconds=30)
# What has not come by then never comes: the test fails, and does not hang.
LONGEST_SECONDS = 20
ENTRY = LedgerEntry.claimed_first(sample_order(), owner="w", lease_until=START, now=START)
SETTLED = Settled(entry=ENTRY, attempt=1)
DOWN = GatewayUnavailableError("500", reason="server_error", status=500)


class Stage:
    """A breaker, and what each attempt shall end like."""

    def __init__(self, *, cool_down: timedelta = COOL_DOWN) -> None:
        self.ledger_down = False
        self.alive = True
        self.ends: dict[str, Settlement | Exception] = {}
        self.tries: list[str] = []
        self.trying: dict[str, asyncio.Event] = {}
        self.opened: list[FlashpayError] = []
        self.closed: list[timedelta] = []
        self.breaker = CircuitBreaker(
            slots=10,
            ask_ledger=self.ask_ledger,
            threshold=3,
            cool_down=cool_down,
            on_open=self.opened.append,
            on_close=self.closed.append,
        )

    async def ask_ledger(self) -> None:
        await asyncio.sleep(0)
        if self.ledger_down:
            raise LedgerUnavailableError("down", reason="connection")

    async def run(self, order_id: str, *, receives_left: int = 5) -> Settlement:
        async def attempt(on_unanswered: Unanswered) -> Settlement:
            self.tries.append(order_id)
            if order_id in self.trying:
                await self.trying[order_id].wait()
            end = self.ends.get(order_id, SETTLED)
            if isinstance(end, GatewayUnavailableError) and not isinstance(end, GatewayInFlightError):
                on_unanswered(end, alive=self.alive)
            if isinstance(end, Exception):
                raise end
            return end

        return await self.breaker.run(order_id, attempt, receives_left=receives_left)

    async def end(self, order_id: str, end: Settlement | Exception = SETTLED) -> Settlement | BaseException:
        self.ends[order_id] = end
        async with asyncio.timeout(LONGEST_SECONDS):
            return (await asyncio.gather(self.run(order_id), return_exceptions=True))[0]

    async def open(self, error: FlashpayError = DOWN) -> list[asyncio.Task[Settlement]]:
        """Fail three orders; the last of them, which opens the breaker, waits in its slot."""
        for number in range(3):
            self.ends[f"failed {number}"] = error
        assert await self.end("failed 0", error) is error
        assert await self.end("failed 1", error) is error
        assert self.breaker.allowance(9) == 9
        held = asyncio.create_task(self.run("failed 2"))
        async with asyncio.timeout(LONGEST_SECONDS):
            while self.breaker.closed:  # noqa: ASYNC110 - a few turns of the loop
                await asyncio.sleep(0)
        return [held]


async def leave(tasks: list[asyncio.Task[Settlement]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
