"""The shoppers, for locust.

The laboratory runs this file as a subprocess with LOAD_PLAN naming a plan (JSON: path, phases, think time, seed,
products, catalogue, journal). By hand, in the project's folder:
`locust -f load/locustfile.py --host http://127.0.0.1:8080 --users 20 --spawn-rate 10`, with `--arm sync` for the
synchronous shop. What is ordered comes from the shop's own catalogue.

Every order is written to the journal with its own times, so percentiles are exact and need no histogram.
Nothing but locust may import this module: locust patches the standard library when it is imported.
"""

import itertools
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from locust import FastHttpUser, LoadTestShape, events, task

from load.traffic.baskets import Baskets, Customer
from load.traffic.hosts import ALLOW_REMOTE, refusal_of
from load.traffic.journal import ACCEPTED, Journal

DEFAULT_PLAN: dict[str, Any] = {"phases": [], "think_seconds": [0.1, 0.5], "seed": 1, "journal": os.devnull}
PLAN: dict[str, Any] = DEFAULT_PLAN | (
    json.loads(Path(os.environ["LOAD_PLAN"]).read_text(encoding="utf-8")) if "LOAD_PLAN" in os.environ else {}
)
PATHS = {"async": "/orders/async", "sync": "/orders/sync"}
NUMBERS = itertools.count(1)


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_arguments(parser: Any) -> None:  # noqa: ANN401  # locust's own kind of parser
    """What only this file asks for."""
    parser.add_argument("--arm", choices=sorted(PATHS), default="async", help="how orders are placed")
    parser.add_argument(ALLOW_REMOTE, action="store_true", help="send the load to a shop that is not on this machine")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Any, **_: object) -> None:  # noqa: ANN401  # locust's environment has no public type
    """Refuse a shop elsewhere, and find out what the shop sells; ends locust when there is no load to send."""
    host, options = environment.host or "", environment.parsed_options
    if refused := refusal_of(host, allow_remote=options.allow_remote):
        sys.exit(refused)
    Shopper.path = PLAN.get("path", PATHS[options.arm])
    Shopper.baskets = Baskets.of_plan(PLAN) if "catalogue" in PLAN else Baskets(catalogue=on_sale(host))


def on_sale(host: str) -> list[str]:
    """The products in the shop's own catalogue; ends locust when it cannot be had."""
    try:
        with urllib.request.urlopen(f"{host}/products", timeout=10) as answer:  # noqa: S310  # what the user named
            found: list[str] = [product["product_id"] for product in json.load(answer)["products"]]
    except (OSError, ValueError, KeyError) as exc:
        sys.exit(f"{host}/products: no catalogue to order from ({exc})")
    return found


class Clock:
    """Which phase it is. The shape advances it; the shoppers read it."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self.phase: dict[str, Any] = {"name": "manual", "arrivals": "closed"}
        self.phase_ends = 0.0


JOURNAL = Journal(Path(PLAN["journal"]).open("a", encoding="utf-8", buffering=1))  # noqa: SIM115  # as long as locust
CLOCK = Clock()


class Shopper(FastHttpUser):
    """Orders, waits for the answer, thinks, orders again."""

    network_timeout = 120.0
    connection_timeout = 10.0

    path = ""
    baskets = Baskets()

    def on_start(self) -> None:
        """Take a number; everything this shopper does follows from it and the seed."""
        number = next(NUMBERS)
        self.customer = Customer(number, seed=PLAN["seed"], baskets=self.baskets, think=tuple(PLAN["think_seconds"]))
        self.ordered_in = ""
        JOURNAL.user(number, time.time())

    @task
    def buy(self) -> None:
        """Place one order and write down what came of it."""
        phase = CLOCK.phase["name"]
        if CLOCK.phase["arrivals"] == "burst" and self.ordered_in == phase:
            return
        self.ordered_in = phase
        order = self.customer.order()
        sent, started = time.time(), time.perf_counter()
        with self.client.post(self.path, json=order, catch_response=True) as response:
            done = sent + time.perf_counter() - started
            status = int(response.status_code or 0)
            body = parsed(response)
            if status in ACCEPTED:
                response.success()
            else:
                response.failure(str(status))
        JOURNAL.request(
            order,
            times=(sent, sent, done),
            status=status,
            answer=body,
            phase=phase,
            think_seconds=self.customer.think_seconds,
            failure="" if status in ACCEPTED else str(body.get("title") or response.error or ""),
        )

    def wait_time(self) -> float:
        """Think; in a burst, wait for the phase to end."""
        if CLOCK.phase["arrivals"] == "burst":
            return max(CLOCK.phase_ends - time.monotonic(), 0.05)
        return self.customer.think_seconds


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
            JOURNAL.end(time.time())
            return None

        def enter(self, phase: dict[str, Any], remaining: float) -> None:
            """Note the beginning of a phase, once."""
            if CLOCK.phase["name"] != phase["name"]:
                CLOCK.phase = phase
                CLOCK.phase_ends = time.monotonic() + remaining
                JOURNAL.phase(phase["name"], time.time())
