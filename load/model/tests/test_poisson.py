"""The Poisson margin against seeded simulations of whole sales."""

import math
import random

import pytest

from load.model.formulas import mmc_wait_percentile
from load.model.poisson import poisson_margin
from load.model.pool import SlotPool
from load.model.sale import Sale, last_wait
from load.model.waits import percentile

SEEDS = 200


def sale_of(rate: float, burst: float, *, gateway_capacity: int = 0) -> Sale:
    return Sale(rate=rate, payment=3, overhead=0, wait=1e6, burst=burst, gateway_capacity=gateway_capacity)


def last_waits(sale: Sale, workers: int, seeds: int = SEEDS) -> list[float]:
    """The last customer's wait of each Poisson sale, ascending."""
    return sorted(_waits(sale, workers, seed)[-1] for seed in range(seeds))


def _waits(sale: Sale, workers: int, seed: int) -> list[float]:
    draw = random.Random(seed)  # noqa: S311 - a simulation
    arrivals: list[float] = []
    moment = draw.expovariate(sale.rate)
    while moment < sale.burst:
        arrivals.append(moment)
        moment += draw.expovariate(sale.rate)
    pool = SlotPool(arrivals, service_seconds=sale.service)
    pool.resize(0.0, workers)
    pool.work_until(math.inf)
    return pool.waits()


@pytest.mark.parametrize(("rate", "workers"), [(6.0, 22), (6.0, 20), (6.0, 19), (2.0, 7), (0.9, 3)])
def test_below_saturation_it_is_a_fair_upper_bound(rate: float, workers: int) -> None:
    sale = sale_of(rate, 600)
    found = poisson_margin(sale, workers)
    simulated = percentile(last_waits(sale, workers), 95) - last_wait(sale, workers)
    assert simulated <= found.value <= 3 * simulated
    assert "no lasting queue" in found.expression
    assert found.value == mmc_wait_percentile(rate=rate, service_seconds=3, servers=workers, percent=95)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_half_of_it_would_be_no_bound(seed: int) -> None:
    sale = sale_of(6, 10_000)
    simulated = percentile(sorted(_waits(sale, 22, seed)), 95) - 3
    bound = poisson_margin(sale, 22).value
    assert bound / 2 < simulated < bound


@pytest.mark.parametrize("workers", [18, 17, 16])
def test_at_saturation_and_just_above_it_the_safe_one_is_taken(workers: int) -> None:
    sale = sale_of(6, 300)
    found = poisson_margin(sale, workers)
    assert found.value == pytest.approx(1.96 * math.sqrt(1800) * 3 / workers)
    assert "near saturation" in found.expression
    assert percentile(last_waits(sale, workers), 95) - last_wait(sale, workers) <= 1.1 * found.value


def test_the_stationary_wait_of_a_nearly_full_line_is_not_reached_in_a_short_sale() -> None:
    found = poisson_margin(sale_of(5.99, 30), 18)
    assert found.value < mmc_wait_percentile(rate=5.99, service_seconds=3, servers=18, percent=95) / 50
    assert "near saturation" in found.expression


def test_well_above_saturation_the_number_of_orders_decides() -> None:
    sale = sale_of(6, 600)
    found = poisson_margin(sale, 12)
    assert found.value == pytest.approx(1.645 * 60 * 3 / 12)
    assert "the queue grows" in found.expression
    simulated = percentile(last_waits(sale, 12), 95) - last_wait(sale, 12)
    assert simulated == pytest.approx(found.value, rel=0.15)


def test_the_gateways_capacity_counts_as_the_workers_do() -> None:
    assert "M/M/19" in poisson_margin(sale_of(6, 600, gateway_capacity=19), 100).expression
    assert "the queue grows" in poisson_margin(sale_of(6, 600, gateway_capacity=12), 100).expression


def test_the_documented_sale_adds_nearly_nothing() -> None:
    sale = Sale(rate=60, payment=3, wait=60, burst=900)
    assert poisson_margin(sale, 200).value == pytest.approx(0.122, abs=0.001)
    assert max(last_waits(sale, 200, seeds=3)) - sale.service < 0.122
