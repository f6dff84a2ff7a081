import csv
from pathlib import Path

import pytest

from load.analysis.series import series, write_series
from load.analysis.timeline import lives
from load.records import RunRecords
from load.scenario import Scenario
from load.scenario_files import SCENARIOS, load_scenarios
from load.tests.synthetic import synthetic_run


def test_the_seconds_add_up_to_the_run(sync_scenario: Scenario, sync_run: RunRecords) -> None:
    curves = series(sync_scenario, sync_run)
    refused = [request for request in sync_run.requests if not request.is_accepted]
    assert refused
    assert curves.width == 1
    assert sum(curves.offered) == len(sync_run.requests)
    assert sum(curves.rejected) == len(refused)
    assert sum(curves.accepted) + sum(curves.rejected) == sum(curves.offered)
    by_reason = [sum(values) for values in zip(*curves.rejected_by_reason.values(), strict=True)]
    assert by_reason == curves.rejected


def test_cold_starts_stand_in_their_second() -> None:
    file = load_scenarios(SCENARIOS / "lab.toml", quick=True)
    scenario = next(one for one in file.scenarios if one.name == "lambda")
    records = synthetic_run(scenario)
    curves = series(scenario, records)
    assert sum(curves.cold_starts) == len(records.cold_starts) > 0
    first = int(min(start.at for start in records.cold_starts) - records.started)
    assert next(second for second, number in enumerate(curves.cold_starts) if number) == first


def test_a_second_with_an_unfinished_order_has_no_confirmation(queue_scenario: Scenario) -> None:
    short = queue_scenario.model_copy(update={"drain_limit_seconds": 5.0})
    records = synthetic_run(short)
    curves = series(short, records)
    for second, value in zip(curves.t, curves.confirmation_p95, strict=True):
        due = [life for life in lives(records) if second <= life.due - records.started < second + 1]
        assert (value is not None) == (due != [] and all(life.ended is not None for life in due))
    assert None in curves.confirmation_p95[: int(short.load_seconds)]


def test_the_file_holds_one_row_per_second(tmp_path: Path, queue_scenario: Scenario, queue_run: RunRecords) -> None:
    curves = series(queue_scenario, queue_run)
    write_series(tmp_path / "series.csv", curves)
    with (tmp_path / "series.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["second"]) for row in rows] == curves.t
    assert [int(row["backlog"]) for row in rows] == curves.backlog
    sampled = [row for row in rows if row["visible"]]
    assert len(sampled) == pytest.approx(len(curves.sampled_t), abs=2)
    assert max(int(row["visible"]) for row in sampled) == max(curves.visible)


def test_a_reason_has_a_column(tmp_path: Path, sync_scenario: Scenario, sync_run: RunRecords) -> None:
    curves = series(sync_scenario, sync_run)
    write_series(tmp_path / "series.csv", curves)
    with (tmp_path / "series.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    (reason,) = curves.rejected_by_reason
    assert [float(row[f"rejected: {reason}"]) for row in rows] == curves.rejected


def test_the_charts_get_a_coarser_grid(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    fine, coarse = series(queue_scenario, queue_run), series(queue_scenario, queue_run, most_points=20)
    assert coarse.width > fine.width
    assert len(coarse.t) <= 22
    assert coarse.width * sum(coarse.offered) == sum(fine.offered)
