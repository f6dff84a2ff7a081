"""The published figures that cannot be true, and those that can."""

import re

import pytest

from load.model import PUBLISHED_CLAIMS, Claim, impossible
from load.model.published import closed_loop_limit

IMPOSSIBLE = [
    (Claim(source="sync", users=20, seconds=60, requests=1203, response_seconds=8.2), "145|141|Little"),
    (
        Claim(source="async", workers=100, arrival_rate=51, completion_rate=33, seconds=60, peak_backlog=40),
        "1080",
    ),
    (Claim(source="stock", counts={"oversold": 953, "legitimate orders": -953}), "negative"),
    (Claim(source="fast", workers=5, payment_seconds=3, completion_rate=4.0), r"1\.7/s"),
]
POSSIBLE = [
    Claim(source="normal, capacity 1", users=5, seconds=30, requests=9, response_seconds=10.5),
    Claim(source="normal, capacity 5", users=5, seconds=30, requests=38, response_seconds=3.07),
    Claim(source="flash, capacity 5", users=20, seconds=60, requests=95, response_seconds=12),
    Claim(source="async", users=20, seconds=60, requests=3460, response_seconds=0.053),
    Claim(source="drain", workers=20, payment_seconds=3, completion_rate=6.5),
    Claim(source="queue", arrival_rate=51, completion_rate=33, seconds=60, peak_backlog=1100),
]


@pytest.mark.parametrize(("claim", "reason"), IMPOSSIBLE, ids=lambda value: getattr(value, "source", ""))
def test_impossible_figures_are_caught(claim: Claim, reason: str) -> None:
    reasons = impossible(claim)
    assert len(reasons) == 1
    assert re.search(reason, reasons[0])


@pytest.mark.parametrize("claim", POSSIBLE, ids=lambda claim: claim.source)
def test_possible_figures_are_left_alone(claim: Claim) -> None:
    assert impossible(claim) == []


def test_what_the_report_calls_impossible_is() -> None:
    assert all(impossible(claim) for claim in PUBLISHED_CLAIMS)


def test_littles_law_allows_145_requests_without_thinking() -> None:
    claim = Claim(source="sync", users=20, seconds=60, response_seconds=8.2, think_seconds=0.1)
    assert closed_loop_limit(claim) == pytest.approx(144.6, abs=0.1)
