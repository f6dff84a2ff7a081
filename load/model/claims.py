"""Published figures: could they be true? For results of which only totals are known."""

from pydantic import BaseModel, ConfigDict

TOLERANCE = 0.10


class Claim(BaseModel):
    """Totals of somebody's run; what was not published is None. Seconds, and orders per second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    counts: dict[str, int] = {}


# Published by others; of these runs only totals are known, so the checks of validity/, which need every order, cannot
# cover them.
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
    return claim.users * claim.seconds / (claim.response_seconds + claim.think_seconds)


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
    most = claim.workers / claim.payment_seconds
    if claim.completion_rate <= most * (1 + TOLERANCE):
        return None
    return f"{claim.workers} workers complete at most {most:.1f}/s, not {claim.completion_rate:g}/s"


def _below_backlog(claim: Claim) -> str | None:
    if claim.arrival_rate is None or claim.completion_rate is None or not claim.seconds or claim.peak_backlog is None:
        return None
    least = (claim.arrival_rate - claim.completion_rate) * claim.seconds
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
