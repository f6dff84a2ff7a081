import math
from dataclasses import replace

import pytest

from load.analysis.figures import busy_window, figures, slot_rate
from load.analysis.percentiles import percentiles
from load.analysis.timeline import steps
from load.model import percentile
from load.records import SOLD_OUT, RunRecords
from load.scenario import Scenario
from load.tests.synthetic import synthetic_run


def test_percentiles_are_observed_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert percentile([7.0], 1) == 7.0


def test_percentiles_of_nothing_are_none() -> None:
    assert percentiles([]) is None


def test_the_slot_rate_is_not_fooled_by_waves() -> None:
    # 20 slots that start together complete in waves of 20, every 3 s.
    ends = [3.0 * wave + slot * 0.001 for wave in range(1, 5) for slot in range(20)]
    assert slot_rate(ends, 20) == pytest.approx(20 / 3, rel=0.001)


def test_the_slot_rate_needs_two_turns_of_every_slot() -> None:
    assert slot_rate([1.0, 2.0, 3.0], 2) is None
    assert slot_rate([1.0, 1.5, 2.0, 2.5], 2) == pytest.approx(2.0)
    assert slot_rate([], 0) is None


def test_the_busy_window_is_the_longest() -> None:
    assert busy_window(steps([(0, 5), (1, -5), (2, 6), (9, -6)]), 4) == (2, 9)
    assert busy_window(steps([(0, 1)]), 4) is None


def test_the_figures_of_a_queue(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    found = figures(queue_scenario, queue_run)
    assert found.acceptance_percent == 100
    assert found.completed == found.accepted == found.offered
    assert found.backlog_at_end == 0
    assert found.completion_rate == pytest.approx(4 / 0.55, rel=0.01)
    assert found.drain_seconds == pytest.approx(found.peak_backlog / (4 / 0.55), rel=0.02)
    assert not found.drain_is_extrapolated
    assert found.utilisation_percent is not None
    assert found.utilisation_percent > 90
    assert found.growth_rate == pytest.approx(found.peak_backlog / 16, rel=0.1)  # both phases last 16 s


def test_a_drain_that_was_cut_short_is_extrapolated(queue_scenario: Scenario) -> None:
    short = queue_scenario.model_copy(update={"drain_limit_seconds": 5.0})
    cut, whole = figures(short, synthetic_run(short)), figures(queue_scenario, synthetic_run(queue_scenario))
    assert cut.drain_is_extrapolated
    assert cut.backlog_at_end > 0
    assert cut.confirmation is None, "only the fast ones are known"
    assert [phase.confirmation is None for phase in cut.phases] == [False, True]
    assert cut.drain_seconds == pytest.approx(whole.drain_seconds, rel=0.02)


def test_a_backlog_that_nobody_works_off_never_drains(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    lambda_like = queue_scenario.model_copy(update={"workers": 0})
    stuck = replace(queue_run, orders=[])
    found = figures(lambda_like, stuck)
    assert math.isinf(found.drain_seconds)
    assert found.drain_is_extrapolated


def test_the_figures_of_a_naive_shop(sync_scenario: Scenario, sync_run: RunRecords) -> None:
    found = figures(sync_scenario, sync_run)
    assert found.rejected > 0
    assert found.rejected_by_reason == {"The payment did not come through in time": found.rejected}
    assert found.completion_rate == pytest.approx(1.0, rel=0.02)
    assert 0 < found.phases[0].refused_in_time_rate < found.rejected / 30, "some were told after the end"
    assert found.answer is not None
    assert found.answer.p50 > 5


def test_answers_after_the_end_of_a_phase_do_not_count_for_its_rate(
    sync_scenario: Scenario, sync_run: RunRecords
) -> None:
    phase = figures(sync_scenario, sync_run).phases[0]
    assert phase.answered_in_time_rate < phase.accepted_rate
    assert phase.answered_in_time_rate == pytest.approx(1.0, abs=0.05)
    assert phase.answer_in_time is not None
    in_time = phase.answered_in_time_rate + phase.refused_in_time_rate
    assert phase.answer_in_time.count == pytest.approx(in_time * phase.seconds)
    assert phase.answer_in_time.count < phase.offered


def test_a_backlog_that_fits_into_the_slots_does_not_grow(queue_scenario: Scenario) -> None:
    enough = queue_scenario.model_copy(update={"workers": 60})
    found = figures(enough, synthetic_run(enough))
    assert found.completion_rate is None
    assert found.growth_rate is None


def test_without_a_backlog_there_is_nothing_to_drain(sync_scenario: Scenario, sync_run: RunRecords) -> None:
    found = figures(sync_scenario, sync_run)
    assert max(request.done for request in sync_run.requests) > sync_run.load_ended
    assert (found.peak_backlog, found.drain_seconds) == (0, 0.0)


def test_a_customer_who_is_taken_at_the_second_try_is_not_lost(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    one, two, three = (replace(queue_run.requests[0], user=number) for number in (1, 2, 3))
    refused = [replace(request, status=503, order_id="") for request in (one, one, two, three)]
    told = replace(three, status=409, order_id="", problem=SOLD_OUT)
    found = figures(queue_scenario, replace(queue_run, requests=[*refused[:3], one, told], orders=[]))
    assert (found.rejected, found.accepted, found.customers, found.customers_lost) == (4, 1, 3, 1)
