"""Limits belong to a process for good, so each case has one of its own."""

import resource
import subprocess
import sys

import pytest

from flashops.descriptors import allow_descriptors

PROGRAM = """
import resource, sys
import structlog
from flashops.descriptors import allow_descriptors
wanted, soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
with structlog.testing.capture_logs() as lines:
    most = allow_descriptors(wanted)
print(most, resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(lines))
"""


@pytest.mark.parametrize(
    ("wanted", "soft", "hard", "most", "raised_to", "lines"),
    [
        (400, 1_024, 4_096, 400, 1_024, 0),
        (1_000, 1_024, 4_096, 1_000, 1_512, 0),
        (4_096, 1_024, 1_024, 512, 1_024, 1),
        (4_096, 256, 2_048, 1_536, 2_048, 1),
        (4_096, 256, 600, 300, 600, 1),
    ],
    ids=["enough", "raised", "hard limit reached", "raised to the hard limit", "hardly any"],
)
def test_the_soft_limit_is_raised_as_far_as_it_goes(
    wanted: int, soft: int, hard: int, most: int, raised_to: int, lines: int
) -> None:
    command = [sys.executable, "-c", PROGRAM, str(wanted), str(soft), str(hard)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    assert [int(word) for word in answer.stdout.split()] == [most, raised_to, lines]


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, []),
        (1_024, resource.RLIM_INFINITY, [(resource.RLIMIT_NOFILE, (1_512, resource.RLIM_INFINITY))]),
    ],
)
def test_where_there_is_no_limit_all_connections_are_allowed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: list[object]
) -> None:
    calls: list[object] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda *call: calls.append(call))
    assert allow_descriptors(1_000) == 1_000
    assert calls == raised
