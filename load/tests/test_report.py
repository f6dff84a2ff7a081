"""The report as a file: complete, self-contained, safe against what stands in the data."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from load.__main__ import main
from load.analysis.checks import HEADLINES
from load.analysis.predicted import predicted
from load.analysis.results import Results, RunResult, result
from load.records import PREDICTED, run_folder, write_records
from load.report import words
from load.report.answers import capacity_label, shop_runs
from load.report.console import console, print_checks
from load.report.document import embedded_json
from load.report.files import read_results, write_comparison, write_report
from load.report.markdown import md_table
from load.report.sync_answer import sync_answer
from load.scenario import Scenario, ScenarioError, Shop
from load.scenario_files import SCENARIOS
from load.tests.synthetic import write_synthetic_run

Make = Callable[[list[RunResult], str], Results]


def said(page: Path) -> str:
    """What a page says; a figure and its unit, which stay in one line, with a common space between them."""
    return page.read_text(encoding="utf-8").replace("\N{NO-BREAK SPACE}", " ")


def test_the_demo_report_is_written_and_read_back(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    results = make_results(demo_runs, "demo")
    page = write_report(tmp_path, results).read_text(encoding="utf-8")
    for run in demo_runs:
        write_synthetic_run(tmp_path, run.scenario)
    assert read_results(tmp_path) == results
    for expected in ("Pay while the shopper waits", "What each arm did", "Can these figures be true?", "VALID"):
        assert expected in page
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# The flash sale")


def test_the_lab_report_answers_every_question(tmp_path: Path, make_results: Make, lab_runs: list[RunResult]) -> None:
    page = write_report(tmp_path, make_results(lab_runs, "lab")).read_text(encoding="utf-8")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for question in (
        "What happens to the customers in the synchronous sale?",
        "How fast does the queue grow",
        "What do 1, 5, 20 and 100 workers change?",
        "How many times more orders does async accept than sync?",
        "How often do cold starts happen",
        "Would you switch to Lambda?",
        "What does it cost?",
    ):
        assert question in page
        assert question in text
    assert "946,665" in page


def test_the_words_about_a_naive_shop_give_the_rate_of_its_table(make_results: Make, lab_runs: list[RunResult]) -> None:
    whole_run = 4.37  # such a rate is another one than the rush's, and stands in no row
    figures = {"completion_rate": whole_run}
    runs = [run.model_copy(update={"figures": run.figures.model_copy(update=figures)}) for run in lab_runs]
    results = make_results(runs, "lab")
    answer = sync_answer(results)
    assert answer is not None
    table = answer.tables[0]
    paid = {row[0]: row[table.heads.index("paid/s")] for row in table.rows}
    naive = shop_runs(results, Shop.NAIVE)
    assert len(naive) == 3
    for run, paragraph in zip(naive, answer.paragraphs[: len(naive)], strict=True):
        row = f"naive, capacity {capacity_label(run)}: {run.peak.name}"
        assert f" got {paid[row]} paid" in paragraph


def test_the_page_loads_nothing(tmp_path: Path, make_results: Make, lab_runs: list[RunResult]) -> None:
    page = write_report(tmp_path, make_results(lab_runs, "lab")).read_text(encoding="utf-8")
    assert not re.search(r"<(script|img|iframe)[^>]+src=", page)
    assert not re.search(r"<link[^>]+href=\"(?!data:)", page)
    assert not re.search(r"url\((?!data:)", page)
    assert "default-src 'none'" in page


def test_what_stands_in_the_data_cannot_become_markup(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    evil = "</script><script>alert(1)</script>"
    scenario = demo_runs[0].scenario.model_copy(update={"title": evil})
    run = demo_runs[0].model_copy(update={"scenario": scenario})
    page = write_report(tmp_path, make_results([run], "demo")).read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert json.loads(embedded_json({"a": evil})) == {"a": evil}
    assert "</script" not in embedded_json(evil)


def test_an_invalid_run_says_so(tmp_path: Path, make_results: Make, demo_runs: list[RunResult]) -> None:
    check = demo_runs[0].checks[0].model_copy(update={"ok": False, "detail": "one order is missing"})
    run = demo_runs[0].model_copy(update={"valid": False, "checks": [check]})
    page = write_report(tmp_path, make_results([run, *demo_runs[1:]], "demo")).read_text(encoding="utf-8")
    assert "INVALID" in page
    assert "one order is missing" in page
    assert "**INVALID**" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_finding_about_the_shop_is_named_as_one(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult], capsys: pytest.CaptureFixture[str]
) -> None:
    finding = demo_runs[0].checks[0].model_copy(update={"ok": False, "is_finding": True, "name": "refused-charged"})
    results = make_results([demo_runs[0].model_copy(update={"checks": [finding, *demo_runs[0].checks]})], "demo")
    page = write_report(tmp_path, results).read_text(encoding="utf-8")
    assert "A finding about the shop: " in page
    assert "- ! about the shop" in (tmp_path / "report.md").read_text(encoding="utf-8")
    print_checks(console(), results)
    assert "! about the shop: " in capsys.readouterr().out


def test_six_headlines_are_shown_and_the_other_checks_folded(
    make_results: Make, lab_runs: list[RunResult], capsys: pytest.CaptureFixture[str]
) -> None:
    run = next(one for one in lab_runs if one.scenario.name == "ecs:20")
    assert {check.name for check in run.checks} - {check.name for check in run.folded_checks} == set(HEADLINES)
    assert len(run.folded_checks) > 10
    print_checks(console(), make_results(lab_runs, "lab"))
    printed = capsys.readouterr().out.splitlines()
    names = sorted(name for line in printed for name in line.partition(": VALID")[0].split(", "))
    assert names == sorted(one.scenario.name for one in lab_runs)
    assert len(printed) < len(lab_runs), "what agrees in the same stands in one line"
    assert "accounted for, charged once, within capacity" in printed[0]


def test_a_partial_report_names_what_is_missing(tmp_path: Path, make_results: Make) -> None:
    results = make_results([], "lab").model_copy(
        update={"unfinished": ["ecs:5"], "failures": {"ecs:5": "the order API ended with 1"}, "interrupted": True}
    )
    page = write_report(tmp_path, results).read_text(encoding="utf-8")
    assert "PARTIAL" in page
    assert "the order API ended with 1" in page


def test_an_endless_drain_survives_the_file(tmp_path: Path, make_results: Make, demo_runs: list[RunResult]) -> None:
    stuck = demo_runs[1].figures.model_copy(update={"drain_seconds": float("inf"), "drain_is_extrapolated": True})
    results = make_results([demo_runs[1].model_copy(update={"figures": stuck})], "demo")
    assert "never" in write_report(tmp_path, results).read_text(encoding="utf-8")
    again = Results.model_validate_json((tmp_path / "results.json").read_bytes())
    assert again.runs[0].figures.drain_seconds == float("inf")


def test_a_report_is_worked_out_anew_from_the_records(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    run = demo_runs[1]
    write_report(tmp_path, make_results([run], "demo"))
    records = write_synthetic_run(tmp_path, run.scenario)
    write_records(run_folder(tmp_path, run.scenario.folder_name), replace(records, charges=records.charges[1:]))
    again = read_results(tmp_path)
    assert not again.runs[0].valid
    assert [check.name for check in again.runs[0].checks if not check.ok] == ["charges"]


def test_what_is_edited_by_hand_changes_nothing_that_is_shown(
    tmp_path: Path, make_results: Make, queue_scenario: Scenario
) -> None:
    records = write_synthetic_run(tmp_path, queue_scenario)
    true = make_results([result(queue_scenario, records, predicted(queue_scenario))], "lab")
    page = write_report(tmp_path, true).read_bytes()
    content = json.loads((tmp_path / "results.json").read_bytes())
    run = content["runs"][0]
    run["figures"]["accepted"] = 99_999
    run["valid"], run["checks"], run["scenario"]["workers"] = False, [], 99
    run["predictions"] = [
        one | {"measured": one["predicted"], "deviation": 0, "ok": True} for one in run["predictions"]
    ]
    (tmp_path / "results.json").write_text(json.dumps(content), encoding="utf-8")
    (run_folder(tmp_path, queue_scenario.folder_name) / PREDICTED).write_text("[]", encoding="utf-8")
    again = read_results(tmp_path)
    assert again == true
    assert write_report(tmp_path, again).read_bytes() == page


def test_a_run_without_records_is_named_and_not_shown(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    write_report(tmp_path, make_results(demo_runs[:1], "demo"))
    again = read_results(tmp_path)
    assert again.runs == []
    assert again.unfinished == [demo_runs[0].scenario.name]
    assert "figures without records are not shown" in again.failures[demo_runs[0].scenario.name]


def test_a_run_that_was_taken_out_of_the_results_is_shown_again(
    tmp_path: Path, make_results: Make, queue_scenario: Scenario
) -> None:
    write_synthetic_run(tmp_path, queue_scenario)
    write_report(tmp_path, make_results([], "demo"))
    assert [run.scenario.name for run in read_results(tmp_path).runs] == [queue_scenario.name]


def test_runs_can_be_compared(tmp_path: Path, make_results: Make, demo_runs: list[RunResult]) -> None:
    results = make_results(demo_runs, "demo")
    page = write_comparison(tmp_path / "c", [(Path("first"), results), (Path("second"), results)])
    text = said(page)
    assert text.count(">first</th>") == len(demo_runs)
    # once in the table of figures and, unless stock was limited, once in that of the differences
    plenty = [run for run in demo_runs if not run.scenario.is_limited]
    assert text.count(">second</th>") == len(demo_runs) + len(plenty)
    assert "+0.0 %" in text


def test_a_comparison_marks_what_only_one_side_has(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    whole, part = make_results(demo_runs, "demo"), make_results(demo_runs[:1], "demo")
    text = write_comparison(tmp_path, [(Path("first"), whole), (Path("second"), part)]).read_text(encoding="utf-8")
    assert text.count("Only in first; not in second.") == len(demo_runs) - 1


def test_a_comparison_says_by_how_much_a_figure_differs(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    run = demo_runs[1]
    figures = run.figures.model_copy(update={"peak_backlog": run.figures.peak_backlog * 3})
    other = make_results([run.model_copy(update={"figures": figures})], "demo")
    pair = [(Path("first"), make_results([run], "demo")), (Path("second"), other)]
    assert "+200.0 %" in said(write_comparison(tmp_path, pair))


def test_a_comparison_marks_a_drain_that_was_not_waited_for(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    run = demo_runs[1]
    cut = run.figures.model_copy(update={"drain_is_extrapolated": True, "drain_seconds": 110.0})
    pair = [(Path(name), make_results([run.model_copy(update={"figures": cut})], "demo")) for name in ("a", "b")]
    assert said(write_comparison(tmp_path, pair)).count(">≈ 1 min 50 s<") == len(pair)


def slower(run: RunResult, share: float) -> RunResult:
    figures = run.figures.model_copy(update={"drain_seconds": run.figures.drain_seconds * share})
    return run.model_copy(update={"figures": figures})


def compared(folder: Path, base: list[Results], others: list[Results]) -> list[str]:
    """The cells of the drain in the table of differences, from top to bottom."""
    named = [
        [(Path(f"{side}{number}"), one) for number, one in enumerate(some)]
        for side, some in zip("ab", (base, others), strict=True)
    ]
    text = said(write_comparison(folder, named[1], against=named[0]))
    table = text[text.index("difference from base</caption>") :].split("</table>")[0]
    return [row.rpartition("<td>")[2].partition("</td>")[0] for row in table.split("<tr>")[2:]]


def test_several_runs_a_side_are_compared_with_their_spread(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    run = slower(demo_runs[1], 100 / demo_runs[1].figures.drain_seconds)

    def measured(*drains: float) -> list[Results]:
        return [make_results([slower(run, drain / 100)], "demo") for drain in drains]

    assert compared(tmp_path, measured(100, 102, 110), measured(105, 120)) == [
        "1 min 42 s (1 min 40 s to 1 min 50 s)",
        "1 min 52 s (1 min 45 s to 2 min 0 s)",
        "+10.3 %, within the spread",
    ]
    assert compared(tmp_path, measured(100, 104), measured(50, 52))[-1] == "−50.0 %, beyond the spread"
    assert compared(tmp_path, measured(100, 104), measured(51)) == [
        "1 min 42 s (1 min 40 s to 1 min 44 s)",
        "51.0 s (one run)",
        "−50.0 %",
    ]


def test_one_run_each_has_no_spread_and_the_comparison_says_so(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    one = make_results(demo_runs[1:2], "demo")
    alone = write_comparison(tmp_path / "one", [(Path("second"), one)], against=[(Path("first"), one)])
    assert alone.read_text(encoding="utf-8").count("there is no spread") == 1
    twice = [(Path("first"), one), (Path("second"), one)]
    several = write_comparison(tmp_path / "two", twice, against=twice)
    assert "there is no spread" not in several.read_text(encoding="utf-8")


def test_a_comparison_says_where_two_scenarios_share_only_their_name(
    tmp_path: Path, make_results: Make, demo_runs: list[RunResult], capsys: pytest.CaptureFixture[str]
) -> None:
    small, same = demo_runs[1].scenario, demo_runs[2].scenario
    large = small.model_copy(update={"workers": small.workers + 1, "line_seconds": small.line_seconds + 1})
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder, changed in zip(folders, (small, large), strict=True):
        runs = [result(one, write_synthetic_run(folder, one)) for one in (changed, same.seeded(len(folder.name)))]
        write_report(folder, make_results(runs, "demo"))
    assert main(["report", str(folders[1]), "--against", str(folders[0]), "--output", str(tmp_path / "c")]) == 0
    sentence = f"{small.name} is not the same scenario everywhere (workers, line_seconds)"
    assert f"NOTE {sentence}" in capsys.readouterr().out
    page = (tmp_path / "c" / "report.html").read_text(encoding="utf-8")
    assert sentence in page
    assert page.count("is not the same scenario") == 1


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"results\.json"):
        read_results(tmp_path)


def test_markdown_tables_escape_their_bars() -> None:
    assert md_table(["a"], [("x|y",)]).splitlines()[-1] == "| x\\|y |"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0123, "12 ms"),
        (3.2149, "3.21 s"),
        (31.44, "31.4 s"),
        (125.0, "2 min 5 s"),
        (10_260.0, "2 h 51 min"),
        (float("inf"), "never"),
    ],
)
def test_durations_in_words(value: float | None, text: str) -> None:
    assert words.seconds(value) == text


def test_ninety_nine_point_something_is_not_a_hundred() -> None:
    assert words.percent(99.99) == "99.9 %"
    assert words.percent(100.0) == "100 %"
    assert words.several(0.012, 0.034) == "12 / 34 ms"
    assert words.several(0.5, 12.0) == "0.50 / 12.0 s"


def test_the_schema_in_the_documentation_is_fresh() -> None:
    path = SCENARIOS.parent.parent / "docs" / "results.schema.json"
    command = "python -m load.analysis.results > docs/results.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == Results.model_json_schema(), f"run {command}"
