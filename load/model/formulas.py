"""The closed formulas, each with its source; they explain what the simulation counts exactly.

Symbols: λ arrivals/s, d payment s, o overhead s, c places at the gateway, W slots, N users, Z think s, R response s,
X throughput/s, T length of the load s.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Formula:
    """A figure together with how it was computed."""

    name: str
    expression: str
    value: float
    unit: str
    source: str


def little_answers_limit(*, users: int, seconds: float, response: float, think: float) -> float:
    """Most answers that `users` can have received in `seconds` at a mean response: N T ÷ (R + Z)."""
    return users * seconds / (response + think)


def closed_loop_bound(*, users: int, response: float, think: float, limit: float = math.inf) -> float:
    """X ≤ min(N ÷ (R + Z), μ): asymptotic bounds, Denning & Buzen, Computing Surveys 10 (1978).

    `response` is the unloaded one; `limit` is the bottleneck's rate per second.
    """
    return min(users / (response + think), limit)


def closed_loop_response(*, users: int, throughput: float, think: float) -> float:
    """R = N ÷ X - Z: the interactive response time law (Denning & Buzen 1978), from Little's law."""
    return users / throughput - think


def settle_rate(*, workers: int, payment: float, overhead: float = 0.0, gateway_capacity: int = 0) -> float:
    """μ = min(W ÷ (d + o), c ÷ d), orders per second; a capacity of 0 is unlimited."""
    slots = workers / (payment + overhead) if payment + overhead else math.inf
    gateway = gateway_capacity / payment if gateway_capacity and payment else math.inf
    return min(slots, gateway)


def fluid_peak_backlog(*, rate: float, service: float, seconds: float) -> float:
    """(λ - μ) T when λ > μ, else 0: the fluid limit (Newell, Applications of Queueing Theory, 1971)."""
    return max(0.0, (rate - service) * seconds)


def fluid_drain(*, backlog: float, service: float) -> float:
    """B ÷ μ seconds; endless without service."""
    if not backlog:
        return 0.0
    return backlog / service if service else math.inf


def erlang_b(*, servers: int, offered: float) -> float:
    """Probability of loss of M/G/c/c with `offered` = λ d erlangs, by Erlang's recursion (1917)."""
    blocked = 1.0
    for server in range(1, servers + 1):
        blocked = offered * blocked / (server + offered * blocked)
    return blocked


def erlang_c(*, servers: int, offered: float) -> float:
    """Probability that an order of M/M/c has to wait; 1 when the servers cannot keep up (Erlang 1917)."""
    if offered >= servers:
        return 1.0
    loss = erlang_b(servers=servers, offered=offered)
    return servers * loss / (servers - offered * (1 - loss))


def mmc_wait(*, rate: float, service_seconds: float, servers: int) -> float:
    """Mean wait in the queue of M/M/c: C(c, a) d ÷ (c - a), a = λ d; infinite when a ≥ c."""
    offered = rate * service_seconds
    if offered >= servers:
        return math.inf
    return erlang_c(servers=servers, offered=offered) * service_seconds / (servers - offered)


def mmc_wait_percentile(*, rate: float, service_seconds: float, servers: int, percent: float) -> float:
    """The wait that `percent` % of M/M/c do not exceed, from P(W > t) = C e^(-(c - a) t ÷ d)."""
    offered = rate * service_seconds
    if offered >= servers:
        return math.inf
    waits = erlang_c(servers=servers, offered=offered)
    exceeds = 1 - percent / 100
    if waits <= exceeds:
        return 0.0
    return math.log(waits / exceeds) * service_seconds / (servers - offered)


def allen_cunneen_wait(
    *, rate: float, service_seconds: float, servers: int, arrival_scv: float, service_scv: float
) -> float:
    """Mean wait of G/G/c ≈ (ca² + cs²) ÷ 2 × the wait of M/M/c.

    Allen, Probability, Statistics, and Queueing Theory (2nd ed. 1990), section 5.3 (Allen & Cunneen's approximation).
    Poisson arrivals of equal payments have ca² = 1, cs² = 0: half of M/M/c; evenly spaced ones 0.
    """
    wait = mmc_wait(rate=rate, service_seconds=service_seconds, servers=servers)
    factor = (arrival_scv + service_scv) / 2
    return factor * wait if factor else 0.0


def evenly_spaced_wait(*, number: int, rate: float, service_seconds: float, servers: int) -> float:
    """Exact wait in the queue of order `number` (from 0) of D/D/c that starts empty.

    With k = ⌊number ÷ c⌋ whole rounds served before it: max(0, k (d - c ÷ λ)).
    """
    rounds = number // servers
    return max(0.0, rounds * (service_seconds - servers / rate))


def whole_rounds(*, seconds: float, payment: float, capacity: int) -> int:
    """Payments that can end strictly within `seconds` when `capacity` of them always run: c (⌈T ÷ d⌉ - 1).

    The quantised form of c T ÷ d: a phase of 30 s and a payment of 3 s that takes a little longer
    hold 9 payments at capacity 1, not 10.
    """
    if not payment:
        raise ValueError("payment: must be above 0")
    return capacity * (math.ceil(seconds / payment) - 1)


def invocation_batch(*, rate: float, service: float, places: int, most: int = 10) -> float:
    """Mean orders in one invocation that polls the queue: λ s ÷ m, between 1 and `most`; m = c ÷ `most` invocations.

    While fewer invocations than m are busy every order finds a free one (Little 1961: λ s are in service); above that
    orders wait, and the next invocation takes as many as there are.
    """
    invocations = max(1, places // most)
    return min(float(most), max(1.0, rate * service / invocations))
