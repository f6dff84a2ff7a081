"""The figures that the course's reports published, and which of them cannot be true: of those only totals are known."""

from dataclasses import dataclass, field

from load.model.formulas import fluid_peak_backlog, little_answers_limit, settle_rate

TOLERANCE = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """A published range, inclusive, with the scenario it belongs to."""

    scenario: str
    name: str
    low: float
    high: float


PUBLISHED = (
    PublishedFigure(scenario="sync capacity 1, 5 users, 30 s", name="orders", low=9, high=9),
    PublishedFigure(scenario="sync capacity 1, 5 users, 30 s", name="mean response s", low=10.5, high=10.5),
    PublishedFigure(scenario="sync capacity 1, 20 users, 60 s", name="answers", low=28, high=29),
    PublishedFigure(scenario="sync capacity 1, 20 users, 60 s", name="failed share", low=0.68, high=0.69),
    PublishedFigure(scenario="sync capacity 1, 20 users, 60 s", name="p50 s", low=30, high=30),
    PublishedFigure(scenario="sync capacity 5, 5 users, 30 s", name="orders", low=38, high=38),
    PublishedFigure(scenario="sync capacity 5, 5 users, 30 s", name="mean response s", low=3.07, high=3.07),
    PublishedFigure(scenario="sync capacity 5, 20 users, 60 s", name="orders", low=95, high=95),
    PublishedFigure(scenario="sync capacity 5, 20 users, 60 s", name="p50 s", low=12, high=12),
    PublishedFigure(scenario="async, 20 users, 60 s", name="accepted", low=3052, high=3460),
    PublishedFigure(scenario="async, 20 users, 60 s", name="accepted /s", low=51, high=58),
    PublishedFigure(scenario="async, 20 users, 60 s", name="p50 ms", low=32, high=90),
    PublishedFigure(scenario="async, 20 users, 60 s (capacity 5)", name="accepted /s", low=57, high=57),
    PublishedFigure(scenario="async, 20 users, 60 s (capacity 5)", name="mean ms", low=53, high=53),
    PublishedFigure(scenario="async, 1 worker", name="drain min", low=156, high=175),
    PublishedFigure(scenario="async, 5 workers", name="drain min", low=30, high=35),
    PublishedFigure(scenario="async, 20 workers", name="drain min", low=8, high=9),
    PublishedFigure(scenario="async, 100 workers", name="drain min", low=1.7, high=2.0),
    PublishedFigure(scenario="async, 100 workers", name="CPU %", low=20, high=26),
    PublishedFigure(scenario="async, 100 workers (capacity 5)", name="CPU %", low=13, high=13),
    PublishedFigure(scenario="Lambda (Go)", name="cold start ms", low=65, high=78),
    PublishedFigure(scenario="Lambda (Go), across teams", name="cold start ms", low=46, high=119),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Totals of somebody's run; what was not published is None. Seconds, and orders per second."""

    source: str
    seconds: float | None = None
    users: int | None = None
    requests: int | None = None
    response_seconds: float | None = None
    think_seconds: float = 0.3
    workers: int | None = None
    payment_seconds: float | None = None
    arrival_rate: float | None = None
    completion_rate: float | None = None
    peak_backlog: int | None = None
    counts: dict[str, int] = field(default_factory=dict)


# Without every order the checks of analysis/checks cannot cover them.
PUBLISHED_CLAIMS = (
    Claim(
        source="1,203 synchronous orders in 60 s from 20 users who waited 8.2 s on average",
        users=20,
        seconds=60,
        requests=1203,
        response_seconds=8.2,
        think_seconds=0.1,
    ),
    Claim(
        source="a peak backlog of 40 at 100 workers, 51/s in and 33/s out for 60 s",
        workers=100,
        seconds=60,
        arrival_rate=51,
        completion_rate=33.3,
        peak_backlog=40,
    ),
    Claim(source="953 orders oversold, -953 legitimate ones", counts={"legitimate orders": -953}),
)


def closed_loop_limit(claim: Claim) -> float | None:
    """The most requests that this many users can have made: users × seconds ÷ (response + think)."""
    if claim.users is None or claim.seconds is None or claim.response_seconds is None:
        return None
    return little_answers_limit(
        users=claim.users, seconds=claim.seconds, response=claim.response_seconds, think=claim.think_seconds
    )


def _beyond_closed_loop(claim: Claim) -> str | None:
    limit = closed_loop_limit(claim)
    # Users who were still waiting at the end add one request each at most.
    if limit is None or claim.requests is None or claim.requests <= limit * (1 + TOLERANCE) + (claim.users or 0):
        return None
    return (
        f"{claim.users} users who wait {claim.response_seconds:g} s for each answer make at most {limit:.0f}"
        f" requests in {claim.seconds:g} s, not {claim.requests} (Little's law)"
    )


def _beyond_workers(claim: Claim) -> str | None:
    if not claim.workers or not claim.payment_seconds or claim.completion_rate is None:
        return None
    most = settle_rate(workers=claim.workers, payment=claim.payment_seconds)
    if claim.completion_rate <= most * (1 + TOLERANCE):
        return None
    return f"{claim.workers} workers complete at most {most:.1f}/s, not {claim.completion_rate:g}/s"


def _below_backlog(claim: Claim) -> str | None:
    if claim.arrival_rate is None or claim.completion_rate is None or not claim.seconds or claim.peak_backlog is None:
        return None
    least = fluid_peak_backlog(rate=claim.arrival_rate, service=claim.completion_rate, seconds=claim.seconds)
    if claim.peak_backlog >= least * (1 - TOLERANCE):
        return None
    return (
        f"{claim.arrival_rate:g}/s in and {claim.completion_rate:g}/s out for {claim.seconds:g} s leave a backlog of"
        f" at least {least:.0f}, not {claim.peak_backlog}"
    )


def impossible(claim: Claim) -> list[str]:
    """Why the figures cannot be true; empty when nothing speaks against them."""
    negative = [f"{name} is {count}: a count cannot be negative" for name, count in claim.counts.items() if count < 0]
    found = [_beyond_closed_loop(claim), _beyond_workers(claim), _below_backlog(claim)]
    return negative + [reason for reason in found if reason is not None]
