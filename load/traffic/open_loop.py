"""The open-loop generator: orders are due at their own times, however slow the answers are.

`python -m load.traffic.open_loop PLAN` reads a plan and writes a journal like the locustfile's. Latency counts from the
moment an order was due, so a shop that stalls cannot hide it by slowing its customers down.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from load.traffic.baskets import Baskets, only_product

ACCEPTED = (200, 202)


def due_times(arrivals: str, *, rate: float, seconds: float, seed: int) -> Iterator[float]:
    """Moments within [0, seconds) at which orders are due, at `rate` per second on average."""
    gaps = random.Random(f"{seed}/arrivals")  # noqa: S311  # reproducible, not secret
    moment = 0.0 if arrivals == "constant" else gaps.expovariate(rate)
    while moment < seconds:
        yield moment
        moment += 1 / rate if arrivals == "constant" else gaps.expovariate(rate)


def draw_order(baskets: Baskets, *, number: int, seed: int) -> dict[str, Any]:
    """The order of customer `number`; the same for the same seed."""
    choice = random.Random(f"{seed}/{number}")  # noqa: S311  # reproducible, not secret
    return {"customer_id": number, "items": baskets.draw(choice)}


class Generator:
    """Sends the orders of one plan."""

    def __init__(self, *, plan: dict[str, Any], session: aiohttp.ClientSession, journal: TextIO) -> None:
        """Take the plan, and where to send and to write."""
        self._plan = plan
        self._session = session
        self._journal = journal
        self._baskets = Baskets(plan)

    def _write(self, entry: dict[str, Any]) -> None:
        self._journal.write(json.dumps(entry, separators=(",", ":")) + "\n")

    async def run(self) -> None:
        """Send every phase's orders, then wait for the last answer."""
        number = 0
        async with asyncio.TaskGroup() as answers:
            for phase in self._plan["phases"]:
                begins, wall = time.monotonic(), time.time()
                self._write({"phase": phase["name"], "at": wall})
                moments = due_times(
                    phase["arrivals"], rate=phase["rate"], seconds=phase["seconds"], seed=self._plan["seed"]
                )
                for moment in moments:
                    number += 1
                    await asyncio.sleep(max(0.0, begins + moment - time.monotonic()))
                    answers.create_task(self._order(number, phase["name"], wall + moment), name=f"order-{number}")
                await asyncio.sleep(max(0.0, begins + phase["seconds"] - time.monotonic()))
            self._write({"end": time.time()})

    async def _order(self, number: int, phase: str, due: float) -> None:
        sent, started = time.time(), time.monotonic()
        status, body, reason = 0, {}, ""
        order = draw_order(self._baskets, number=number, seed=self._plan["seed"])
        try:
            async with self._session.post(self._plan["url"] + self._plan["path"], json=order) as response:
                status = response.status
                body = json.loads(await response.read() or b"{}")
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            reason = type(exc).__name__
        accepted = status in ACCEPTED
        self._write(
            {
                "request": {
                    "due": due,
                    "sent": sent,
                    "done": sent + time.monotonic() - started,
                    "status": status,
                    "order_id": str(body.get("order_id", "")),
                    "order_status": str(body.get("status", "")) if accepted else "",
                    "phase": phase,
                    "user": number,
                    "reason": "" if accepted else reason or str(body.get("title") or status),
                    "product": only_product(order["items"]),
                    "problem": "" if accepted else str(body.get("type", "")),
                }
            }
        )


async def main(path: Path) -> None:
    """Run the plan in `path`."""
    plan = json.loads(await asyncio.to_thread(path.read_text, encoding="utf-8"))
    timeout = aiohttp.ClientTimeout(total=plan["patience_seconds"])
    # An open loop must not queue inside the generator: as many connections as it takes.
    connector = aiohttp.TCPConnector(limit=0)
    with Path(plan["journal"]).open("a", encoding="utf-8", buffering=1) as journal:  # noqa: ASYNC230  # a local file
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            await Generator(plan=plan, session=session, journal=journal).run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
