"""Limited stock in the report: told in a section of its own, kept out of what compares throughput."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from load.analysis.results import Results, RunResult, result
from load.model import load_prices
from load.records import RunRecords
from load.report.cards import arm_card
from load.report.console import COLUMNS, STOCK_COLUMNS, figures_of, print_table, row, stock_row
from load.report.files import write_comparison, write_report
from load.report.markdown import markdown
from load.report.page import parameter_row
from load.report.prose import say
from load.report.stock_answer import stock_answer
from load.report.study import answers
from load.report.verdict import verdict
from load.scenario import Scenario
from load.tests.synthetic import synthetic_run

Make = Callable[[list[RunResult], str], Results]


@pytest.fixture
def stock_result(stock_scenario: Scenario, stock_run: RunRecords) -> RunResult:
    return result(stock_scenario, stock_run)


@pytest.fixture
def lossy_result(stock_scenario: Scenario, stock_run: RunRecords) -> RunResult:
    """One buyer who was told "sold out" is refused for another reason instead, so that one order is lost."""
    late = next(one for one in stock_run.requests if one.is_sold_out)
    lost = replace(late, status=503, problem="urn:flash-sale:problem:busy", reason="Too busy")
    return result(
        stock_scenario,
        replace(stock_run, requests=[lost if one is late else one for one in stock_run.requests]),
    )


def plain(runs: list[RunResult]) -> list[RunResult]:
    return [run for run in runs if not run.scenario.is_limited]


def test_the_row_keeps_sold_out_and_lost_apart(stock_result: RunResult, lossy_result: RunResult) -> None:
    told = stock_result.figures.offered - 30
    cells = dict(zip(STOCK_COLUMNS, stock_row(stock_result), strict=True))
    assert (cells["units"], cells["sold"], cells["units left"], cells["oversold"]) == ("30", "30", "0", "0")
    assert (cells["sold out"], cells["lost"]) == (str(told), "0")
    scenario = stock_result.scenario.model_copy(update={"stock": {"espresso-machine": 500}})
    plenty = dict(zip(STOCK_COLUMNS, stock_row(result(scenario, synthetic_run(scenario))), strict=True))
    assert int(plenty["sold"]) + int(plenty["units left"]) == 500
    assert (plenty["sold out"], plenty["sold-out answer p50/p99"]) == ("0", "–")
    lossy = dict(zip(STOCK_COLUMNS, stock_row(lossy_result), strict=True))
    assert (lossy["sold out"], lossy["lost"]) == (str(told - 1), "1")


def test_a_run_without_stock_has_no_such_row(demo_runs: list[RunResult]) -> None:
    with pytest.raises(ValueError, match="sync has no limited stock"):
        stock_row(plain(demo_runs)[0])


def test_the_terminal_has_a_table_for_throughput_and_one_for_stock(demo_runs: list[RunResult]) -> None:
    tables = figures_of(demo_runs)
    assert [(table.caption, table.columns) for table in tables] == [
        ("Throughput", COLUMNS),
        ("Limited stock", STOCK_COLUMNS),
    ]
    assert [run.scenario.name for run in tables[1].runs] == ["stock"]
    assert [table.caption for table in figures_of(plain(demo_runs))] == ["Throughput"]
    assert [cells[0] for cells in tables[0].rows] == [row(run)[0] for run in plain(demo_runs)]


def test_the_terminal_shows_what_was_sold(demo_runs: list[RunResult]) -> None:
    out = Console(width=200, record=True)
    print_table(out, demo_runs)
    text = out.export_text()
    assert "oversold" in text
    assert "customers lost" in text


def test_the_answer_tells_the_story_in_words_table_and_charts(make_results: Make, stock_result: RunResult) -> None:
    found = stock_answer(make_results([stock_result], "lab"))
    assert found is not None
    said = found.paragraphs[0]
    offered = stock_result.figures.offered
    assert f"{offered} buyers for 30 units. 30 were sold, 0 are left, 0 oversold." in said
    assert f"{offered - 30} buyers in all" in said
    assert said.endswith("No order was lost.")
    assert [chart.id for chart in found.charts] == ["stock-units", "stock-answers"]
    assert [line.label for line in found.charts[0].lines] == ["available", "reserved", "sold"]
    assert [line.label for line in found.charts[1].lines] == ["accepted", "told “sold out”"]


def test_an_order_that_was_lost_is_said_to_be(make_results: Make, lossy_result: RunResult) -> None:
    found = stock_answer(make_results([lossy_result], "lab"))
    assert found is not None
    assert found.paragraphs[0].endswith("1 order was lost.")
    assert [line.label for line in found.charts[1].lines] == ["accepted", "told “sold out”", "refused otherwise"]
    assert sum(value or 0 for value in found.charts[1].lines[2].values) == pytest.approx(1.0)


def test_without_limited_stock_there_is_no_such_section(make_results: Make, demo_runs: list[RunResult]) -> None:
    results = make_results(plain(demo_runs), "demo")
    assert stock_answer(results) is None
    assert say("stock.question") not in markdown(results, answers(results, load_prices()))


@pytest.mark.parametrize("kind", ["demo", "lab"])
def test_page_and_text_have_the_section(
    kind: str, tmp_path: Path, make_results: Make, demo_runs: list[RunResult]
) -> None:
    page = write_report(tmp_path, make_results(demo_runs, kind)).read_text(encoding="utf-8")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for told in (say("stock.question"), "How soon a buyer knows", "units left"):
        assert told in page
        assert told in text
    assert 'id="chart-stock-units"' in page
    assert 'id="chart-stock-rates"' not in page


def test_a_demo_of_limited_stock_alone_has_a_page(tmp_path: Path, make_results: Make, stock_result: RunResult) -> None:
    page = write_report(tmp_path, make_results([stock_result], "demo")).read_text(encoding="utf-8")
    assert say("stock.question") in page
    assert "What each arm did" not in page


def test_limited_stock_stays_out_of_every_other_answer(make_results: Make, lab_runs: list[RunResult]) -> None:
    def told(runs: list[RunResult]) -> dict[str, str]:
        found = answers(make_results(runs, "lab"), load_prices())
        return {answer.id: answer.model_dump_json() for answer in found}

    everything, others = told(lab_runs), told(plain(lab_runs))
    assert everything.keys() - others.keys() == {"stock"}
    assert {id_: everything[id_] for id_ in others} == others


def test_the_verdict_counts_the_units_and_calls_nobody_lost(
    make_results: Make, stock_result: RunResult, lossy_result: RunResult
) -> None:
    told = stock_result.figures.offered - 30
    sentences = verdict(make_results([stock_result], "demo"))
    assert len(sentences) == 1
    assert "Of 30 units (stock) 30 were sold, 0 are left and 0 oversold" in sentences[0]
    assert f"“sold out” was told to {told} buyers" in sentences[0]
    assert "lost" not in sentences[0]
    assert "1 order was lost" in verdict(make_results([lossy_result], "demo"))[0]


def test_the_card_shows_units_instead_of_acceptance(stock_result: RunResult) -> None:
    card = arm_card(stock_result)
    assert 'class="big good">30 <small>of 30 units sold' in card
    assert "orders accepted" not in card
    stock = stock_result.figures.stock
    assert stock is not None
    figures = stock_result.figures.model_copy(update={"stock": stock.model_copy(update={"oversold": 1})})
    assert 'class="big bad"' in arm_card(stock_result.model_copy(update={"figures": figures, "valid": False}))


def test_the_stock_is_among_the_parameters(stock_result: RunResult) -> None:
    load = parameter_row(stock_result)[-1]
    assert load == "flash: 40/s poisson for 6 s; 20 units of espresso-machine; 10 units of desk-lamp"


def test_experiments_with_limited_stock_are_compared_by_units(
    tmp_path: Path, make_results: Make, stock_result: RunResult
) -> None:
    results = make_results([stock_result], "lab")
    page = write_comparison(tmp_path, [(Path("first"), results), (Path("second"), results)])
    text = page.read_text(encoding="utf-8")
    assert "oversold" in text
    assert "peak backlog" not in text
