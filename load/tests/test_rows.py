"""Files that are not as they were written: a sentence with the file, the line and the column."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from load.__main__ import main
from load.analysis.results import Results, RunResult, result
from load.folder import Outline, write_outline
from load.records import FINISHED, RunRecords, read_records, run_folder, write_records
from load.report.files import read_results, write_report
from load.rows import RecordsError
from load.scenario import Scenario, ScenarioFile
from load.tests.synthetic import write_synthetic_run

Make = Callable[[list[RunResult], str], Results]
ORDERS = "order_id,status,created_at,completed_at,charge_id,total_minor,attempt,reason\n"
# A file, what it holds instead, and what is said.
WRONG = (
    ("orders.csv", "", "there is no column order_id, status"),
    ("orders.csv", "order_id\nord_a\n", "there is no column status"),
    ("orders.csv", "order_id,status,novel\n", "unknown column 'novel'"),
    ("orders.csv", "\ufefforder_id,status\n", "there is no column order_id"),
    ("orders.csv", ORDERS + "ord_a,completed,1,2,ch_a,100,1,\nord_b,comp", "line 3: fewer cells than columns"),
    ("orders.csv", ORDERS + "ord_a,completed,1,2,ch_a,100,1,,x\n", "line 2: more cells than columns"),
    ("orders.csv", ORDERS + "ord_a,completed,1,nan,ch_a,100,1,\n", "line 2: completed_at: "),
    ("orders.csv", ORDERS + "ord_a,completed,inf,2,ch_a,100,1,\n", "line 2: created_at: "),
    ("orders.csv", ORDERS + "ord_a,completed,1,-2,ch_a,100,1,\n", "line 2: completed_at: "),
    ("orders.csv", ORDERS + 'ord_a,completed,1,"2,5",ch_a,100,1,\n', "line 2: completed_at: "),
    ("orders.csv", ORDERS + f"ord_a,completed,1,2,ch_a,{'9' * 5000},1,\n", "line 2: total_minor: "),
    ("orders.csv", ORDERS + 'ord_a,"completed,1,2,ch_a,100,1,\n', "unexpected end of data"),
    ("phases.csv", "name,arrivals,users,rate,started,full,ended\n", "there is no phase"),
    ("ending.json", "[]", "ending.json"),
    ("ending.json", '{"at": NaN}', "at: Input should be a finite number"),
    ("ending.json", '{"at": 1, "queued": -1}', "queued: "),
    ("ending.json", '{"at": 1', "Invalid JSON"),
    ("ending.json", '{"at": 1, "queued": 0, "dead_letters": 0, "server_accepted": null}', "server_accepted: "),
)


@pytest.mark.parametrize(("name", "text", "said"), WRONG, ids=[f"{name}: {said}" for name, _, said in WRONG])
def test_what_is_no_record_is_named(tmp_path: Path, queue_run: RunRecords, name: str, text: str, said: str) -> None:
    write_records(tmp_path, queue_run)
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RecordsError) as raised:
        read_records(tmp_path)
    assert f"{tmp_path / name}" in str(raised.value)
    assert said in str(raised.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path, queue_run: RunRecords) -> None:
    write_records(tmp_path, queue_run)
    (tmp_path / "orders.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordsError, match=r"orders\.csv: 'utf-8' codec"):
        read_records(tmp_path)


@pytest.mark.parametrize("name", ["phases.csv", "requests.csv", "processes.csv", "workers.csv", "ending.json"])
def test_a_file_that_every_run_leaves_behind_must_be_there(tmp_path: Path, queue_run: RunRecords, name: str) -> None:
    write_records(tmp_path, queue_run)
    (tmp_path / name).unlink()
    with pytest.raises(RecordsError, match=f"{name}: No such file"):
        read_records(tmp_path)


def test_a_run_that_cannot_be_read_is_named_beside_the_others(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    broken, *others = [run.scenario for run in demo_runs]
    for scenario in (broken, *others):
        write_synthetic_run(tmp_path, scenario)
    write_report(tmp_path, make_results(demo_runs, "demo"))
    write_outline(tmp_path, Outline(kind="demo", file=ScenarioFile(title="T", scenarios=(broken, *others))))
    (run_folder(tmp_path, broken.folder_name) / "orders.csv").unlink()
    again = read_results(tmp_path)
    assert [run.scenario for run in again.runs] == others
    assert again.unfinished == [broken.name]
    assert "orders.csv: No such file" in again.failures[broken.name]


@pytest.mark.parametrize(("name", "text"), [("orders.csv", "x"), (FINISHED, "{}"), (FINISHED, "{")])
def test_an_experiment_with_broken_records_is_not_gone_on_with(
    tmp_path: Path, queue_scenario: Scenario, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_synthetic_run(tmp_path, queue_scenario)
    write_outline(tmp_path, Outline(kind="lab", file=ScenarioFile(title="T", scenarios=(queue_scenario,))))
    path = run_folder(tmp_path, queue_scenario.folder_name) / name
    path.write_text(text, encoding="utf-8")
    assert main(["lab", "--resume", str(tmp_path)]) == 2
    assert f"python -m load lab: {path}: " in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", "{}", "3", '{"runs": [3]}', '{"runs": [], "unfinished": 3, "kind": "demo"}'])
def test_results_that_are_none_are_a_wrong_argument(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text(content, encoding="utf-8")
    assert main(["report", str(tmp_path)]) == 2
    assert f"{tmp_path / 'results.json'}: " in capsys.readouterr().err


def test_the_result_of_what_was_read_is_that_of_what_was_written(
    tmp_path: Path, queue_run: RunRecords, queue_scenario: Scenario
) -> None:
    write_records(tmp_path / "one", queue_run)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert result(queue_scenario, read_records(tmp_path / "two")) == result(queue_scenario, queue_run)
