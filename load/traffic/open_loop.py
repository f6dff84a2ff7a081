"""The open-loop generator: orders are due at their own times, however slow the answers are.

`python -m load.traffic.open_loop PLAN [--allow-remote]` reads a plan and writes a journal like the
locustfile's. Latency counts from the moment an order was due, so a shop that stalls
cannot hide it by slowing its customers down.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from load.traffic.baskets import Baskets, Customer
from load.traffic.hosts import ALLOW_REMOTE, refusal_of
from load.traffic.journal import Journal


def due_times(arrivals: str, *, rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Moments within [0, seconds) at which orders are due, at `rate` per second on average."""
    gaps = random.Random(f"{seed}/arrivals")  # noqa: S311  # reproducible, not secret
    moment = 0.0 if arrivals == "constant" else gaps.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += 1 / rate if arrivals == "constant" else gaps.expovariate(rate)


class Generator:
    """Sends the orders of one plan."""

    def __init__(self, *, plan: dict[str, Any], session: aiohttp.ClientSession, journal: Journal) -> None:
        """Take the plan, and where to send and to write."""
        self._plan = plan
        self._session = session
        self._journal = journal
        self._baskets = Baskets.of_plan(plan)

    async def run(self) -> None:
        """Send every phase's orders, then wait for the last answer."""
        number = 0
        async with asyncio.TaskGroup() as answers:
            for phase in self._plan["phases"]:
                begins, wall = time.monotonic(), time.time()
                self._journal.phase(phase["name"], wall)
                moments = due_times(
                    phase["arrivals"], rate=phase["rate"], seconds=phase["seconds"], seed=self._plan["seed"]
                )
                for moment in moments:
                    number += 1
                    await asyncio.sleep(max(0.0, begins + moment - time.monotonic()))
                    answers.create_task(self._order(number, phase["name"], wall + moment), name=f"order-{number}")
                await asyncio.sleep(max(0.0, begins + phase["seconds"] - time.monotonic()))
            self._journal.end(time.time())

    async def _order(self, number: int, phase: str, due: float) -> None:
        sent, started = time.time(), time.monotonic()
        status, body, reason = 0, {}, ""
        order = Customer(number, seed=self._plan["seed"], baskets=self._baskets).order()
        try:
            async with self._session.post(self._plan["url"] + self._plan["path"], json=order) as response:
                status = response.status
                body = json.loads(await response.read() or b"{}")
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            reason = type(exc).__name__
        self._journal.request(
            order,
            times=(due, sent, sent + time.monotonic() - started),
            status=status,
            answer=body,
            phase=phase,
            failure=reason,
        )


async def main(path: Path, *, allow_remote: bool = False) -> None:
    """Run the plan in `path`. Raises SystemExit for a shop elsewhere, unless that is allowed."""
    plan = json.loads(await asyncio.to_thread(path.read_text, encoding="utf-8"))
    if refused := refusal_of(plan["url"], allow_remote=allow_remote):
        raise SystemExit(refused)
    timeout = aiohttp.ClientTimeout(total=plan["patience_seconds"])
    # An open loop must not queue inside the generator: as many connections as it takes.
    connector = aiohttp.TCPConnector(limit=0)
    with Path(plan["journal"]).open("a", encoding="utf-8", buffering=1) as stream:  # noqa: ASYNC230  # a local file
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            await Generator(plan=plan, session=session, journal=Journal(stream)).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), allow_remote=ALLOW_REMOTE in sys.argv[2:]))
