"""The command line: help for everything, and exit codes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from load.__main__ import main
from load.analysis.results import Results, RunResult
from load.report.files import write_report

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
