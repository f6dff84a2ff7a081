import pytest
from rich.console import Console

from load.run.progress import Progress
from load.run.scenario_run import Moment
from load.scenario import Scenario

LOOKS_PER_SECOND = 5


def printed(scenario: Scenario, *, seconds: int, per_second: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run prints that is looked at five times a second and sampled once, steady in and out."""
    clock = 0.0
    monkeypatch.setattr("load.run.progress.time.monotonic", lambda: clock)
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured, Progress(console) as progress:
        for look in range(1, seconds * LOOKS_PER_SECOND):
            clock = look / LOOKS_PER_SECOND
            sample = int(clock)
            progress(
                Moment(
                    scenario=scenario,
                    stage="flash",
                    elapsed_seconds=clock,
                    at=1000.0 + sample,
                    accepted=per_second * (sample + 3),
                    completed=per_second * sample,
                )
            )
    return captured.get().splitlines()


def test_a_steady_rate_is_printed_as_it_is(queue_scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(queue_scenario, seconds=31, per_second=60, monkeypatch=monkeypatch)
    assert len(lines) == 7
    assert all("accepted  60.0/s" in line and "completed  60.0/s" in line for line in lines[1:]), lines
    assert all(line.endswith("backlog   180") for line in lines), lines


def test_before_two_samples_there_is_no_rate(queue_scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(queue_scenario, seconds=1, per_second=60, monkeypatch=monkeypatch)
    assert len(lines) == 1
    assert "accepted   0.0/s" in lines[0]


def test_it_says_how_many_runs_have_ended_and_how_long_the_others_take() -> None:
    console = Console(width=200, force_terminal=False)
    expected = [{"a": 30.0, "b": 100.0}, {"c": 45.0}]
    with console.capture() as captured, Progress(console, expected=expected) as progress:
        progress.finished("a", "A")
        progress.finished("b", "B")
        progress.finished("c", "C")
    assert captured.get().splitlines() == [
        "A   (1 of 3, about 2 min left)",
        "B   (2 of 3, about 45 s left)",
        "C   (3 of 3)",
    ]
