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


def test_a_long_run_is_heard_of_twice_a_minute_with_its_rates(
    queue_scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(queue_scenario, seconds=91, per_second=60, monkeypatch=monkeypatch)
    assert len(lines) == 3
    assert all("accepted  60.0/s" in line and "completed  60.0/s" in line for line in lines), lines
    assert all(line.endswith("backlog   180") for line in lines), lines


def test_a_short_run_leaves_only_what_came_of_it_in_a_log(
    queue_scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert printed(queue_scenario, seconds=29, per_second=60, monkeypatch=monkeypatch) == []


def test_what_a_run_leaves_breaks_the_silence_too(queue_scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("load.run.progress.time.monotonic", lambda: clock)
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured, Progress(console) as progress:
        for clock in (20.0, 40.0, 49.0):
            if clock == 20.0:
                progress.finished("other", "other is done")
            progress(Moment(scenario=queue_scenario, stage="flash", elapsed_seconds=clock, at=clock))
    assert captured.get().splitlines() == ["other is done"]


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
