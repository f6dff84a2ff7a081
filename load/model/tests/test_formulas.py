"""The closed formulas at known values."""

import math

import pytest

from load.model import formulas as f


def test_erlang_c_at_textbook_values() -> None:
    assert f.erlang_c(servers=1, offered=0.5) == pytest.approx(0.5)
    assert f.erlang_c(servers=2, offered=1.0) == pytest.approx(1 / 3)
    assert f.erlang_b(servers=2, offered=1.0) == pytest.approx(1 / 5)
    assert f.erlang_c(servers=3, offered=3.0) == 1.0


def test_waiting_in_m_m_1_is_rho_over_mu_minus_lambda() -> None:
    assert f.mmc_wait(rate=0.5, service_seconds=1.0, servers=1) == pytest.approx(1.0)
    assert f.mmc_wait(rate=1.0, service_seconds=1.0, servers=1) == math.inf


def test_equal_payments_halve_the_wait_of_m_m_1() -> None:
    """Exact for M/D/1 (Pollaczek-Khinchine): ρ d ÷ 2(1 - ρ)."""
    wait = f.allen_cunneen_wait(rate=0.8, service_seconds=1.0, servers=1, arrival_scv=1.0, service_scv=0.0)
    assert wait == pytest.approx(0.8 / (2 * 0.2))
    assert f.allen_cunneen_wait(rate=2, service_seconds=1.0, servers=1, arrival_scv=0.0, service_scv=0.0) == 0


def test_percentiles_of_m_m_c_invert_the_tail() -> None:
    t = f.mmc_wait_percentile(rate=1.0, service_seconds=1.0, servers=2, percent=95)
    assert f.erlang_c(servers=2, offered=1.0) * math.exp(-t) == pytest.approx(0.05)
    assert f.mmc_wait_percentile(rate=0.1, service_seconds=1.0, servers=5, percent=50) == 0
    assert f.mmc_wait_percentile(rate=2.0, service_seconds=1.0, servers=2, percent=50) == math.inf


def test_a_phase_of_ten_payments_holds_nine() -> None:
    assert f.whole_rounds(seconds=30, payment=3.0, capacity=1) == 9
    assert f.whole_rounds(seconds=60, payment=3.0, capacity=5) == 95
    with pytest.raises(ValueError, match="payment"):
        f.whole_rounds(seconds=60, payment=0, capacity=1)


def test_settle_rate_is_the_smaller_of_slots_and_gateway() -> None:
    assert f.settle_rate(workers=20, payment=3.0) == pytest.approx(20 / 3)
    assert f.settle_rate(workers=20, payment=3.0, gateway_capacity=5) == pytest.approx(5 / 3)
    assert f.settle_rate(workers=1, payment=0.0) == math.inf


def test_little_in_its_two_forms() -> None:
    assert f.closed_loop_bound(users=20, response=0.05, think=0.3, limit=25) == 25
    assert f.closed_loop_response(users=20, throughput=25, think=0.3) == pytest.approx(0.5)


def test_a_backlog_without_service_never_drains() -> None:
    assert f.fluid_drain(backlog=1, service=0) == math.inf
    assert f.fluid_drain(backlog=0, service=0) == 0
    assert f.fluid_peak_backlog(rate=1, service=2, seconds=60) == 0
