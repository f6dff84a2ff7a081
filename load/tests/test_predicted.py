import pytest

from load.analysis.figures import figures
from load.analysis.predicted import DRAIN, Predicted, compare, predicted
from load.analysis.results import result
from load.records import RunRecords
from load.report.answers import true_text
from load.scenario import Scenario
from load.scenario_files import SCENARIOS, load_scenarios
from load.tests.synthetic import synthetic_run


def test_every_scenario_of_the_lab_has_predictions() -> None:
    for scenario in load_scenarios(SCENARIOS / "lab.toml", quick=True).scenarios:
        assert predicted(scenario), scenario.name


def test_the_model_agrees_with_the_synthetic_queue() -> None:
    file = load_scenarios(SCENARIOS / "lab.toml", quick=True)
    slow = next(one for one in file.scenarios if one.name == "ecs:100")
    found = compare(slow, predicted(slow), figures(slow, synthetic_run(slow)))
    by_name = {one.name: one for one in found}
    assert by_name["completions, all slots busy"].ok
    assert by_name["peak backlog"].deviation == pytest.approx(0, abs=0.15)
    assert by_name["offered"].ok


@pytest.mark.parametrize("name", ["open:poisson", "open:constant"])
def test_an_open_loop_is_predicted_from_its_own_schedule(name: str) -> None:
    scenario = load_scenarios(SCENARIOS / "lab.toml", quick=True).only([name]).scenarios[0]
    run = synthetic_run(scenario)
    (offered,) = (one.value for one in predicted(scenario) if one.name == "offered")
    assert offered * scenario.load_seconds == pytest.approx(len(run.requests))
    other = {one.name: one.value for one in predicted(scenario.seeded(7))}
    same = {one.name: one.value for one in predicted(scenario)}
    assert (other == same) == (name == "open:constant")


def test_added_tasks_serve_after_their_start() -> None:
    file = load_scenarios(SCENARIOS / "lab.toml", quick=True)
    scaled = next(one for one in file.scenarios if one.name == "ecs:scaled")

    def drain(**changes: object) -> float:
        scenario = scaled.model_copy(update=changes)
        return next(one.value for one in predicted(scenario) if one.name == "drain")

    at_once = drain(tasks=((3.0, 5),), task_start_seconds=0.0)
    assert drain(tasks=((1.0, 5),), task_start_seconds=0.5) == pytest.approx(at_once)  # four tasks more, 2 s
    # the second change waits until the first is complete
    assert drain(tasks=((1.0, 5), (2.0, 6)), task_start_seconds=0.5) == pytest.approx(
        drain(tasks=((3.0, 5), (3.5, 6)), task_start_seconds=0.0)
    )


def test_the_quick_laboratorys_predictions_bear_tasks_that_take_twice_as_long_to_start() -> None:
    file = load_scenarios(SCENARIOS / "lab.toml", quick=True)
    usual = next(one for one in file.scenarios if one.name == "ecs:scaled")
    slow = usual.model_copy(update={"task_start_seconds": 2 * usual.task_start_seconds})
    for as_written, late in zip(predicted(usual), predicted(slow), strict=True):
        assert late.value == pytest.approx(as_written.value, rel=0.06), late.name


def test_tasks_are_changed_at_their_moment_of_the_whole_load(queue_scenario: Scenario) -> None:
    """Not of the rush, which begins after six seconds."""
    scenario = queue_scenario.model_copy(update={"tasks": ((8.0, 3),), "task_start_seconds": 0.0})
    found = {
        one.name: one for one in compare(scenario, predicted(scenario), figures(scenario, synthetic_run(scenario)))
    }
    for name in ("peak backlog", "drain", "confirmation, p50"):
        assert found[name].deviation == pytest.approx(0, abs=0.05), name


def test_a_deviation_above_ten_percent_is_flagged(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    found = figures(queue_scenario, queue_run)
    near = Predicted(name="peak backlog", unit="", value=found.peak_backlog * 1.05)
    far = Predicted(name="drain", unit="s", value=found.drain_seconds * 1.3)
    unknown = Predicted(name="weather", unit="", value=1.0)
    rows = compare(queue_scenario, [near, far, unknown], found)
    assert [(row.name, row.ok) for row in rows] == [("peak backlog", True), ("drain", False), ("weather", None)]
    assert rows[1].deviation == pytest.approx(0.3 / 1.3, rel=0.01)
    assert not any(row.extrapolated for row in rows)
    cut = found.model_copy(update={"drain_is_extrapolated": True})
    assert [row.extrapolated for row in compare(queue_scenario, [near, far], cut)] == [False, True]


def test_completions_show_the_formula_that_they_follow(queue_scenario: Scenario) -> None:
    row = next(one for one in predicted(queue_scenario) if one.name == "completions, all slots busy")
    assert row.formula == "min(W/(d+o), c/d) = min(4/(0.5+0.05), ∞/0.5)"


def test_a_scaled_run_says_what_the_true_one_would_take() -> None:
    scaled, true = (
        load_scenarios(SCENARIOS / "lab.toml", quick=quick).only(["ecs:1"]).scenarios[0] for quick in (True, False)
    )
    assert scaled.stands_for == true
    assert true.stands_for is None
    drains = [next(one.value for one in predicted(scenario) if one.name == DRAIN) for scenario in (scaled, true)]
    assert drains[1] == pytest.approx(drains[0] * 60 / 12, rel=0.05)
    found = result(scaled, synthetic_run(scaled), predicted(scaled))
    assert found.true_predictions == predicted(true)
    assert true_text(found, DRAIN).startswith("3 h")
    assert true_text(result(true, synthetic_run(true), ()), DRAIN) == "–"
