"""The command line: help for everything, and exit codes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from load.__main__ import main
from load.analysis.results import Results, RunResult
from load.folder import Outline, read_outline, write_outline
from load.records import finished_run
from load.report.files import read_results, write_report
from load.scenario_files import SCENARIOS, load_scenarios
from load.tests.synthetic import write_synthetic_run

Make = Callable[[list[RunResult], str], Results]


@pytest.mark.parametrize("command", [[], ["demo"], ["lab"], ["plan"], ["report"]])
def test_everything_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m load" in capsys.readouterr().out


def test_the_lab_lists_its_scenarios_and_their_length(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--quick", "--only", "ecs:20", "--list"]) == 0
    shown = capsys.readouterr().out
    assert "ecs:20" in shown
    assert "ecs:100" not in shown
    assert "altogether about" in shown


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["lab", "--scenarios", "no-such.toml"], "no-such.toml"),
        (["lab", "--only", "ecs:21", "--quick"], "ecs:21"),
        (["lab", "--resume", str(Path(__file__).parent)], "there is no experiment in this folder"),
        (["demo", "--reports", __file__], f"{__file__}/"),
        (["lab", "--quick", "--resume", "no-such-folder", "--only", "lambda"], "no-such-folder"),
        (["lab", "--quick", "--prices", "no-prices.toml", "--list"], "no-prices.toml"),
        (["report", "no-such-run"], "no-such-run"),
    ],
)
def test_wrong_input_is_named_and_exits_2(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert named in capsys.readouterr().err


def test_an_old_report_is_written_anew(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult], capsys: pytest.CaptureFixture[str]
) -> None:
    page = write_report(tmp_path, make_results(demo_runs, "demo"))
    page.unlink()
    assert main(["report", str(tmp_path)]) == 0
    assert page.exists()
    assert "report.html" in capsys.readouterr().out
    before = page.read_bytes()
    assert main(["report", str(tmp_path), "--output", str(tmp_path / "elsewhere")]) == 0
    assert (tmp_path / "elsewhere" / "report.html").exists()
    assert page.read_bytes() == before
    assert main(["report", str(tmp_path), "--output", str(page)]) == 2
    assert f"{page}: " in capsys.readouterr().err


def test_experiments_are_compared_against_others(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(tmp_path / name) for name in ("new", "old", "older")]
    for folder in folders:
        write_synthetic_run(Path(folder), demo_runs[1].scenario)
        write_report(Path(folder), make_results(demo_runs[1:2], "demo"))
    page = tmp_path / "comparison" / "report.html"
    assert main(["report", folders[0], "--against", *folders[1:], "--output", str(page.parent)]) == 0
    assert str(page) in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "base: 2 experiments (old, older)" in text
    assert "compared: 1 experiment (new)" in text


def test_an_interrupted_experiment_goes_on_with_nothing_but_its_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = load_scenarios(SCENARIOS / "lab.toml", quick=True).only(["ecs:5", "ecs:20"]).seeded(7)
    write_outline(tmp_path, Outline(kind="lab", file=file))
    for scenario in file.scenarios:
        write_synthetic_run(tmp_path, scenario)
    assert main(["lab", "--resume", str(tmp_path)]) == 0
    assert "(2 of 2)" in capsys.readouterr().out
    assert [run.scenario for run in read_results(tmp_path).runs] == list(file.scenarios)


@pytest.mark.parametrize("option", [["--quick"], ["--only", "sync"], ["--seed", "0"], ["--scenarios", "x.toml"]])
def test_what_the_folder_says_cannot_be_said_otherwise(
    tmp_path: Path, option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write_outline(tmp_path, Outline(kind="lab", file=load_scenarios(SCENARIOS / "lab.toml", quick=True)))
    assert main(["lab", "--resume", str(tmp_path), *option]) == 2
    assert f"the folder says what is to be run; leave out {option[0]}" in capsys.readouterr().err


def test_a_folder_of_an_earlier_version_loses_no_finished_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    true = load_scenarios(SCENARIOS / "lab.toml").only(["ecs:5"]).scenarios[0]
    records = write_synthetic_run(tmp_path, true)
    assert main(["lab", "--resume", str(tmp_path), "--quick", "--only", "ecs:5"]) == 2
    assert "a finished run is here already, of another scenario" in capsys.readouterr().err
    assert read_outline(tmp_path) is None
    kept = finished_run(tmp_path, true)
    assert kept is not None
    assert kept.requests == records.requests
