"""One sale: its figures are the planner's, its rates those of the monthly bill."""

from dataclasses import replace
from decimal import Decimal

import pytest

from load.model import Assumptions, Sale, load_prices, monthly_cost, plan, sale_figures, sale_rates


def test_a_sale_has_the_figures_of_its_plan() -> None:
    prices = load_prices()
    planned = plan(rate=60, payment=3, wait=60, burst=600, prices=prices)
    figures = sale_figures(planned.sale, planned.workers, sale_rates(prices))
    assert figures.orders == planned.sale.orders
    assert figures.peak_backlog == planned.peak_backlog
    assert (figures.last_wait, figures.drain) == (planned.last_wait, planned.drain)
    assert figures.settle_rate == pytest.approx(planned.settle_rate)


def test_the_rates_are_those_of_the_monthly_bill() -> None:
    prices, assumed = load_prices(), replace(Assumptions(), free_tier=False, cold_share=Decimal(0))
    rates = sale_rates(prices)
    lines = {
        line.item: float(line.amount)
        for arm in ("ecs", "lambda")
        for line in monthly_cost(arm, 10**6, prices, assumed).lines
    }
    assert rates.task_hour * 730 == pytest.approx(lines["processor tasks"])
    sale = Sale(rate=100, payment=3, wait=60, burst=100)
    figures = sale_figures(sale, 100, rates)
    assert figures.function_per_million == pytest.approx(lines["function duration"] + lines["function requests"])
    assert figures.processor_per_million == pytest.approx(rates.task_hour * (100 + figures.drain) / 3600 * 100)
