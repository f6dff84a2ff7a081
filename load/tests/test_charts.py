"""What the charts show is what was measured."""

import math
from collections.abc import Callable

import pytest

from load.analysis.percentiles import quantiles
from load.analysis.results import Results, RunResult
from load.model import Assumptions, break_even, load_prices
from load.report.hero import headline, story_chart
from load.report.money import difference_chart
from load.report.queue_answers import fixed_runs
from load.report.queue_charts import backlog_chart, completions_chart, confirmation_chart, visible_chart
from load.report.sync_answer import shown_at_first

Make = Callable[[list[RunResult], str], Results]


@pytest.fixture
def queues(make_results: Make, lab_runs: list[RunResult]) -> list[RunResult]:
    return fixed_runs(make_results(lab_runs, "lab"))


def test_the_headline_divides_the_orders_taken_by_the_orders_paid(
    make_results: Make, demo_runs: list[RunResult]
) -> None:
    sync, queue = demo_runs[0].peak, demo_runs[1].peak
    found = headline(make_results(demo_runs, "demo"))
    assert found is not None
    assert found.figure == f"{queue.accepted_rate / sync.answered_in_time_rate:.0f} times"
    assert headline(make_results(demo_runs[1:], "demo")) is None


def test_the_story_tells_who_was_refused_what_was_taken_and_when_all_was_paid(demo_runs: list[RunResult]) -> None:
    sync, queue = demo_runs[0], demo_runs[1]
    chart = story_chart(queue, sync)
    taken, paid, refused, _ = ([value for value in line.values if value is not None] for line in chart.lines)
    assert (taken[-1], paid[-1]) == (queue.figures.accepted, queue.figures.completed)
    assert refused[-1] == sync.figures.rejected > 0
    assert [one - other for one, other in zip(taken, paid, strict=True)] == queue.series.backlog[: len(taken)]
    assert [mark.label for mark in chart.marks][:2] == [
        f"{queue.figures.peak_backlog} wait in the queue",
        f"{queue.figures.accepted} taken",
    ]
    assert chart.marks[2].x == pytest.approx(queue.bands[-1].end + queue.figures.drain_seconds)


def test_a_drain_that_was_cut_short_is_dashed_to_nothing(queues: list[RunResult]) -> None:
    figures = queues[0].figures.model_copy(update={"drain_is_extrapolated": True, "drain_seconds": 5000.0})
    cut = queues[0].model_copy(update={"figures": figures})
    chart = backlog_chart([cut, queues[-1]])
    dashed = next(line for line in chart.lines if line.dash)
    points = [(at, value) for at, value in zip(chart.x, dashed.values, strict=True) if value is not None]
    _, (end, left) = points
    assert left == 0
    assert end == chart.x_max == cut.bands[-1].end + 5000.0
    assert chart.x_view == (0.0, max(run.series.t[-1] for run in (cut, queues[-1])))
    assert all(len(line.values) == len(chart.x) for line in chart.lines)


def test_a_run_that_lasts_much_longer_than_all_others_does_not_press_them_together(queues: list[RunResult]) -> None:
    def at_first(*ends: float) -> tuple[float, float] | None:
        return shown_at_first(
            [
                run.model_copy(update={"series": run.series.model_copy(update={"t": [0.0, 1.0, end]})})
                for run, end in zip(queues, ends, strict=False)
            ]
        )

    assert at_first(20, 60, 24) == (0.0, 24)
    assert at_first(20, 24, 30) is None
    assert at_first(60) is None


def test_workers_are_one_hue_from_light_to_dark_on_the_same_axes(queues: list[RunResult]) -> None:
    true = backlog_chart(queues)
    named = [line.color for line in true.lines if not line.unnamed]
    assert named == sorted(named)
    assert (named[0], named[-1]) == ("w1", "w6")
    assert visible_chart(queues, true).y_max == max(run.figures.peak_backlog for run in queues)


def test_completions_stand_beside_workers_divided_by_the_payment(queues: list[RunResult]) -> None:
    marks = completions_chart(queues).marks
    assert [mark.y for mark in marks] == [run.scenario.workers / run.scenario.payment_seconds for run in queues]


def test_the_distribution_has_half_of_the_orders_at_the_median(demo_runs: list[RunResult]) -> None:
    queue = demo_runs[1]
    confirmation = queue.figures.confirmation
    assert confirmation is not None
    assert queue.confirmation_quantiles[50] == confirmation.p50
    chart = confirmation_chart("within", [("ecs", "s1", queue)])
    assert chart is not None
    shares = [value for value in chart.lines[0].values if value is not None]
    assert (shares[0], shares[-1]) == (0, 100)
    below = [share for at, share in zip(chart.x, shares, strict=True) if at < confirmation.p50]
    assert below[-1] <= 50 <= shares[len(below)]


def test_orders_that_have_not_ended_are_missing_from_the_distribution() -> None:
    assert quantiles([]) == []
    assert quantiles([1.0, 2.0, 3.0, math.inf]) == [1.0] * 26 + [2.0] * 25 + [3.0] * 25


def test_the_break_even_is_where_the_difference_crosses_nothing() -> None:
    prices, assumed = load_prices(), Assumptions()
    even = break_even("lambda", "ecs", prices, assumed).orders
    chart = difference_chart(prices, assumed)
    assert chart is not None
    assert even in [mark.x for mark in chart.marks]
    for at, value in zip(chart.x, chart.lines[0].values, strict=True):
        assert value is not None
        assert (value >= 0) == (math.floor(at) >= (even or 0))
