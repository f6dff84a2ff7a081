"""The figures and curves of a run with limited stock."""

from dataclasses import replace
from pathlib import Path

import pytest

from load.analysis.estimate import run_seconds
from load.analysis.figures import figures
from load.analysis.predicted import compare, predicted
from load.analysis.series import series
from load.analysis.stock import sales
from load.records import RunRecords, read_records, write_records
from load.run.shop_settings import shop_plan
from load.scenario import Arm, Arrivals, Phase, Scenario
from load.tests.synthetic import synthetic_run


def test_sold_told_and_left_are_told_apart(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    found = figures(stock_scenario, stock_run)
    stock = found.stock
    assert stock is not None
    assert (stock.units, stock.sold, stock.left, stock.reserved, stock.oversold, stock.lost) == (30, 30, 0, 0, 0, 0)
    assert stock.sold + stock.sold_out == found.offered > 200
    assert stock.sold_out_answer is not None
    assert found.accept is not None
    assert stock.sold_out_answer.p99 < found.accept.p50
    assert stock.sold_out_after is not None
    assert 0 < stock.sold_out_after < 3


def test_who_found_nothing_left_is_no_lost_customer(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    assert figures(stock_scenario, stock_run).acceptance_percent == 100.0


def test_there_are_no_such_figures_where_there_was_enough(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    assert figures(queue_scenario, queue_run).stock is None
    curves = series(queue_scenario, queue_run)
    assert curves.units_sold == curves.sold_out == []


def test_each_product_has_its_own_sums(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    found = {sale.product: sale for sale in sales(stock_scenario, stock_run)}
    assert {name: sale.completed for name, sale in found.items()} == {"desk-lamp": 10, "espresso-machine": 20}
    assert all(sale.taken == sale.charged == sale.sold == sale.units for sale in found.values())
    backwards = replace(stock_run, stock=list(reversed(stock_run.stock)))
    assert sales(stock_scenario, backwards) == list(found.values())


def test_the_curves_follow_the_counters(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    curves = series(stock_scenario, stock_run)
    assert len(curves.units_available) == len(curves.sampled_t)
    sums = zip(curves.units_available, curves.units_reserved, curves.units_sold, strict=True)
    assert {sum(parts) for parts in sums} == {30}
    assert (curves.units_sold[0], curves.units_sold[-1], curves.units_available[-1]) == (0, 30, 0)
    assert sum(curves.sold_out) * curves.width == sum(one.is_sold_out for one in stock_run.requests)


def test_the_counters_survive_their_file(tmp_path: Path, stock_run: RunRecords, queue_run: RunRecords) -> None:
    write_records(tmp_path / "stock", stock_run)
    again = read_records(tmp_path / "stock")
    assert again.stock == stock_run.stock
    assert again.requests == stock_run.requests
    write_records(tmp_path / "queue", queue_run)
    assert not (tmp_path / "queue" / "stock.csv").exists()
    assert read_records(tmp_path / "queue").stock == []


@pytest.mark.parametrize(
    ("phase", "sold"),
    [
        (Phase(name="few", arrivals=Arrivals.POISSON, rate=5, seconds=2), 10.0),
        (Phase(name="many", arrivals=Arrivals.CONSTANT, rate=50, seconds=2), 30.0),
        (Phase(name="burst", arrivals=Arrivals.BURST, users=7, seconds=2), 7.0),
        (Phase(name="loop", users=20, seconds=10), 30.0),
    ],
)
def test_what_is_predicted_is_the_smaller_of_stock_and_orders(
    stock_scenario: Scenario, phase: Phase, sold: float
) -> None:
    scenario = stock_scenario.model_copy(update={"phases": (phase,)})
    assert [(one.name, one.value) for one in predicted(scenario)] == [("units sold", sold)]


def test_the_prediction_stands_beside_what_was_sold(stock_scenario: Scenario, stock_run: RunRecords) -> None:
    rows = compare(stock_scenario, predicted(stock_scenario), figures(stock_scenario, stock_run))
    assert [(row.predicted, row.measured, row.ok) for row in rows] == [(30.0, 30.0, True)]


@pytest.mark.parametrize("arm", list(Arm))
def test_the_shop_is_given_the_scenarios_stock(arm: Arm, stock_scenario: Scenario) -> None:
    assert shop_plan(stock_scenario.model_copy(update={"arm": arm})).stock == stock_scenario.stock


def test_a_run_takes_as_long_as_its_units(stock_scenario: Scenario) -> None:
    assert run_seconds(stock_scenario) == pytest.approx(5 + 6)  # 30 units in three turns of 0.5 s: within the load
    slow = stock_scenario.model_copy(update={"workers": 1})
    assert run_seconds(slow) == pytest.approx(5 + 30 * 0.5)


def test_stock_that_nobody_wants_all_of_is_left(stock_scenario: Scenario) -> None:
    scenario = stock_scenario.model_copy(update={"stock": {"espresso-machine": 500}})
    run = synthetic_run(scenario)
    stock = figures(scenario, run).stock
    assert stock is not None
    assert stock.sold + stock.left == stock.units == 500
    assert stock.sold == len(run.requests)
    assert (stock.sold_out, stock.sold_out_after, stock.sold_out_answer) == (0, None, None)
