"""The shoppers, for locust.

The laboratory runs this file as a subprocess with LOAD_PLAN naming a plan (JSON: path, phases, think time, seed,
products, catalogue, journal). By hand, in the project's folder:
`locust -f load/locustfile.py --host http://127.0.0.1:8080 --users 20 --spawn-rate 10`.

Every order is written to the journal with its own times, so percentiles are exact and need no histogram.
Nothing but locust may import this module: locust patches the standard library when it is imported.
"""

import itertools
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, task

from load.traffic.baskets import Baskets, only_product

DEFAULT_PLAN: dict[str, Any] = {
    "path": "/orders/async",
    "phases": [],
    "think_seconds": [0.1, 0.5],
    "seed": 1,
    "catalogue": str(Path(__file__).resolve().parent.parent / "local" / "catalogue.json"),
    "journal": os.devnull,
}
PLAN: dict[str, Any] = DEFAULT_PLAN | (
    json.loads(Path(os.environ["LOAD_PLAN"]).read_text(encoding="utf-8")) if "LOAD_PLAN" in os.environ else {}
)
BASKETS = Baskets(PLAN)
NUMBERS = itertools.count(1)


class Journal:
    """Writes one line per event at once, so that the laboratory can follow."""

    def __init__(self, path: str) -> None:
        """Open `path` for appending."""
        self._stream = Path(path).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115  # open as long as locust

    def write(self, **entry: object) -> None:
        """Write one entry."""
        self._stream.write(json.dumps(entry, separators=(",", ":")) + "\n")


class Clock:
    """Which phase it is. The shape advances it; the shoppers read it."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self.phase: dict[str, Any] = {"name": "manual", "arrivals": "closed"}
        self.phase_ends = 0.0


JOURNAL = Journal(PLAN["journal"])
CLOCK = Clock()


class Shopper(FastHttpUser):
    """Orders, waits for the answer, thinks, orders again."""

    network_timeout = 120.0
    connection_timeout = 10.0

    def on_start(self) -> None:
        """Take a number; everything this shopper does follows from it and the seed."""
        self.number = next(NUMBERS)
        self.random = random.Random(f"{PLAN['seed']}/{self.number}")  # noqa: S311  # reproducible, not secret
        self.ordered_in = ""
        JOURNAL.write(user=self.number, at=time.time())

    def order(self) -> dict[str, Any]:
        """Draw an order."""
        return {"customer_id": self.number, "items": BASKETS.draw(self.random)}

    @task
    def buy(self) -> None:
        """Place one order and write down what came of it."""
        phase = CLOCK.phase["name"]
        if CLOCK.phase["arrivals"] == "burst" and self.ordered_in == phase:
            return
        self.ordered_in = phase
        self.think = self.random.uniform(*PLAN["think_seconds"])
        order = self.order()
        sent, started = time.time(), time.perf_counter()
        with self.client.post(PLAN["path"], json=order, catch_response=True) as response:
            done = sent + time.perf_counter() - started
            status = int(response.status_code or 0)
            body = parsed(response)
            if status in {200, 202}:
                response.success()
            else:
                response.failure(str(status))
        JOURNAL.write(
            request={
                "due": sent,
                "sent": sent,
                "done": done,
                "status": status,
                "order_id": str(body.get("order_id", "")),
                "order_status": str(body.get("status", "")) if status in {200, 202} else "",
                "phase": phase,
                "user": self.number,
                "think_seconds": self.think,
                "reason": "" if status in {200, 202} else str(body.get("title") or response.error or status),
                "product": only_product(order["items"]),
                "problem": "" if status in {200, 202} else str(body.get("type", "")),
            }
        )

    def wait_time(self) -> float:
        """Think; in a burst, wait for the phase to end."""
        if CLOCK.phase["arrivals"] == "burst":
            return max(CLOCK.phase_ends - time.monotonic(), 0.05)
        return self.think


def parsed(response: Any) -> dict[str, Any]:  # noqa: ANN401  # locust's response has no public type
    """The JSON object in an answer; empty when there is none."""
    try:
        body = json.loads(response.text or "{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


if PLAN["phases"]:

    class Phases(LoadTestShape):
        """Walks through the plan's phases."""

        def tick(self) -> tuple[int, float] | None:
            """The users of the phase that it is now; None after the last one."""
            elapsed, ends = float(self.get_run_time()), 0.0  # type: ignore[no-untyped-call]
            for phase in PLAN["phases"]:
                ends += phase["seconds"]
                if elapsed < ends:
                    self.enter(phase, ends - elapsed)
                    return phase["users"], phase["spawn_rate"]
            JOURNAL.write(end=time.time())
            return None

        def enter(self, phase: dict[str, Any], remaining: float) -> None:
            """Note the beginning of a phase, once."""
            if CLOCK.phase["name"] != phase["name"]:
                CLOCK.phase = phase
                CLOCK.phase_ends = time.monotonic() + remaining
                JOURNAL.write(phase=phase["name"], at=time.time())
