"""Questions 2 to 4: the queue, its workers, and when to use one."""

import math

from load.analysis.predicted import DRAIN
from load.analysis.results import Results, RunResult
from load.model import UTILISATION
from load.records import PROCESSOR
from load.report import words
from load.report.answers import (
    Answer,
    Table,
    capacity_label,
    drain_text,
    overlay,
    runs_of,
    shop_runs,
    true_text,
    workers_label,
)
from load.report.queue_charts import (
    backlog_chart,
    by_workers,
    completions_chart,
    confirmation_chart,
    hues,
    oldest_chart,
    visible_chart,
)
from load.report.verdict import busiest_queue
from load.scenario import Arm, Shop, planned_workers

TRUE_DRAIN = "true run, predicted"
GROWTH = "How fast does the queue grow, and how long until it is empty?"
WORKERS = "What do 1, 5, 20 and 100 workers change? What is the fewest that keep up with 60 orders per second?"
RATIO = "How many times more orders does async accept than sync? Why do queues build up, and when is which right?"


def _fewest(run: RunResult, rate: float) -> int:
    """The fewest workers that keep up at all: rate × (payment + overhead), rounded up."""
    return math.ceil(rate * (run.scenario.payment_seconds + run.scenario.overhead_seconds))


def _planned(run: RunResult, rate: float) -> int:
    return planned_workers(rate, run.scenario.payment_seconds, run.scenario.overhead_seconds)


def fixed_runs(results: Results) -> list[RunResult]:
    """The closed-loop runs whose workers stayed the same, the fewest first."""
    return by_workers([run for run in runs_of(results, Arm.ECS) if not run.scenario.tasks])


def _growth_lead(run: RunResult) -> str:
    """How the backlog of one run came and went."""
    figures = run.figures
    grew = f"grew by {words.rate(figures.growth_rate)} to" if figures.growth_rate is not None else "held at most"
    true = f" (in the true run {true_text(run, DRAIN)}, as predicted)" if run.true_predictions else ""
    return (
        f"With {workers_label(run)} the queue {grew} {words.number_of(figures.peak_backlog, 'order')} and was empty"
        f" {drain_text(run)} after the rush{true}."
    )


def growth_answer(results: Results) -> Answer | None:
    """How the backlog grows and goes."""
    runs = fixed_runs(results)
    if not runs:
        return None
    table = Table(
        caption="Growth and drain",
        heads=("workers", "accepted", "completed", "grew by", "peak backlog", "empty after the rush", TRUE_DRAIN),
        rows=[
            (
                workers_label(run),
                words.rate(run.peak.accepted_rate),
                words.rate(run.figures.completion_rate),
                words.rate(run.figures.growth_rate),
                words.count(run.figures.peak_backlog),
                drain_text(run),
                true_text(run, DRAIN),
            )
            for run in runs
        ],
    )
    paragraphs = []
    paragraphs.append(
        "The queue grows by what comes in less what the workers finish, and it is empty after backlog ÷ (workers ÷"
        " payment time). Both are straight lines in the chart; nothing but more workers makes the second one steeper."
    )
    true = backlog_chart(runs)
    charts = [true, visible_chart(runs, true), oldest_chart(runs)]
    shown = max(runs, key=lambda run: (not run.figures.drain_is_extrapolated, run.figures.peak_backlog))
    lead = _growth_lead(shown)
    return Answer(
        id="growth", short="Queue", question=GROWTH, lead=lead, paragraphs=paragraphs, tables=[table], charts=charts
    )


def _worker_row(run: RunResult) -> tuple[str, ...]:
    figures, scenario = run.figures, run.scenario
    limit = scenario.workers / scenario.payment_seconds
    share = None if figures.completion_rate is None else 100 * figures.completion_rate / limit
    use = next((one for one in run.processes if one.process == PROCESSOR), None)
    return (
        workers_label(run),
        words.rate(run.peak.accepted_rate),
        words.rate(figures.completion_rate),
        words.rate(limit),
        words.percent(share),
        words.count(figures.peak_backlog),
        drain_text(run),
        words.percent(figures.utilisation_percent),
        words.NOTHING if use is None else f"{use.cpu_mean_percent:.0f} %",
        words.NOTHING if use is None else f"{use.rss_max_mb:.0f} MB",
    )


def _workers_lead(runs: list[RunResult]) -> str:
    """The fewest workers, or what they all do."""
    for run in runs:
        if rate := run.scenario.keeps_up_with:
            return (
                f"The fewest workers that keep up with {rate:g} orders/s are {_fewest(run, rate)}; with"
                f" {_planned(run, rate)} a backlog goes again, too."
            )
    most = runs[-1]
    return f"{workers_label(most)} paid {words.rate(most.figures.completion_rate)}: workers ÷ payment time, no more."


def workers_answer(results: Results) -> Answer | None:
    """What each number of workers does."""
    runs = fixed_runs(results)
    if not runs:
        return None
    paragraphs = [
        f"To keep up with {rate:g} orders/s takes rate × (payment + overhead) = {_fewest(run, rate)} workers at least;"
        f" with a utilisation of {UTILISATION:g}, so that a backlog, once there, goes again,"
        f" {_planned(run, rate)}. Measured with {words.number_of(run.scenario.workers, 'worker')} and"
        f" {words.rate(run.peak.accepted_rate)} accepted, the backlog never exceeded"
        f" {words.count(run.figures.peak_backlog)} orders and was gone {drain_text(run)} after the rush."
        for run in runs
        if (rate := run.scenario.keeps_up_with)
    ]
    paragraphs.append(
        "A worker does nothing but wait for the payment, so the completion rate is workers ÷ payment time, and the"
        " processor needs little CPU and memory even with many of them: more workers in one task, before more tasks."
    )
    heads = (
        "workers",
        "accepted",
        "completed",
        "W ÷ d",
        "of W ÷ d",
        "peak backlog",
        "empty after",
        "slots busy",
        "CPU",
        "memory",
    )
    confirmed = [(workers_label(run), color, run) for run, color in zip(runs, hues(len(runs)), strict=True)]
    charts = [completions_chart(runs)]
    if (distribution := confirmation_chart("queue-confirmation", confirmed)) is not None:
        charts.append(distribution)
    notes = [
        (
            "The completion rate is measured while every slot has work: the time from one completion to the W-th"
            " after it is"
            " one turn of every slot. What is missing to W ÷ d is the slot's time beside the payment: receive,"
            " claim, record."
            " CPU is of one core, for the processor's process."
        )
    ]
    table = Table(caption="Runs by workers", heads=heads, rows=[_worker_row(run) for run in runs])
    lead = _workers_lead(runs)
    return Answer(
        id="workers",
        short="Workers",
        question=WORKERS,
        lead=lead,
        paragraphs=paragraphs,
        tables=[table],
        charts=charts,
        notes=notes,
    )


def ratio_answer(results: Results) -> Answer | None:
    """Async against sync."""
    queues = fixed_runs(results)
    if not queues:
        return None
    queue = busiest_queue(results) or queues[-1]
    accepted = queue.peak.accepted_rate
    rows = []
    for run in shop_runs(results, Shop.NAIVE) + shop_runs(results, Shop.PROTECTED):
        paid = run.peak.answered_in_time_rate
        times = f"{accepted / paid:.0f} ×" if paid else "nothing was paid"
        rows.append(
            (
                f"{run.scenario.shop.value}, capacity {capacity_label(run)}",
                words.rate(paid),
                words.rate(accepted),
                times,
            )
        )
    paragraphs = []
    lead = ""
    if rows:
        lead = (
            f"In the rush, the queue ({workers_label(queue)}) accepted {rows[0][3]} as many orders per second as the"
            f" {rows[0][0]} shop got paid."
        )
    if rows and any(run.scenario.stands_for_payment_seconds for run in results.runs):
        paragraphs.append(
            "The payments of these runs were shortened while the provider's capacity was not, so a synchronous shop"
            " completes more here than at the true payment time: the true ratios are larger."
        )
    paragraphs += [
        (
            "It accepts more because it promises less: the order is taken, the payment comes later. The payments"
            " are not"
            " faster by one second. A queue builds up whenever orders come faster than workers ÷ payment time,"
            " and it is"
            " prevented by enough workers (rate × payment time), by scaling on the backlog per worker, or by"
            " taking fewer"
            " orders."
        ),
        (
            "Sync is right when the answer is needed at once and the rate stays below the provider's capacity ÷ payment"
            " time. Async is right when the peak exceeds that, the customer can wait for a confirmation, and an"
            " order must"
            " not be lost."
        ),
    ]
    tables = [
        Table(caption="Async against sync", heads=("sync shop", "sync paid", "async accepted", "ratio"), rows=rows)
    ]
    return Answer(
        id="ratio", short="Ratio", question=RATIO, lead=lead, paragraphs=paragraphs, tables=tables if rows else []
    )


def _open_lead(runs: list[RunResult]) -> str:
    """What those waited who came at their own times."""
    waits = [run.peak.accept.p99 for run in runs if run.peak.accept]
    if not waits:
        return ""
    return (
        f"Customers who do not wait for each other were answered within {words.seconds(max(waits))} (p99), counted from"
        " the moment at which their orders were due."
    )


def open_loop_answer(results: Results) -> Answer | None:
    """The closed loop beside the open one."""
    runs = runs_of(results, Arm.ECS, open_loop=True)
    if not runs:
        return None
    closed = [run for run in runs_of(results, Arm.ECS) if run.scenario.keeps_up_with]
    rows = []
    for run in closed + runs:
        phase = run.peak
        wait = run.figures.confirmation
        rows.append(
            (
                run.scenario.title,
                words.rate(phase.offered_rate),
                words.rate(phase.accepted_rate),
                words.several(phase.sent_late.p99) if run.scenario.is_open_loop and phase.sent_late else words.NOTHING,
                words.several(phase.accept.p50, phase.accept.p99) if phase.accept else words.NOTHING,
                words.several(wait.p50, wait.p99) if wait else words.NOTHING,
                words.count(run.figures.peak_backlog),
            )
        )
    return Answer(
        id="open",
        short="Open loop",
        question="What does the closed loop hide?",
        lead=_open_lead(runs),
        paragraphs=[
            (
                "Locust's shoppers wait for their answer before they order again, so a slow shop is offered less. Real"
                " customers do not know of each other. In the open loop orders are due at their own times, and the"
                " latency"
                " counts from that moment, so a stall cannot hide."
            )
        ],
        tables=[
            Table(
                caption="Closed and open loop",
                heads=(
                    "load",
                    "offered",
                    "accepted",
                    "sent late p99",
                    "accept p50/p99",
                    "confirmation p50/p99",
                    "peak backlog",
                ),
                rows=rows,
            )
        ],
        charts=[
            overlay(
                id_="open-backlog",
                title="Backlog",
                alt="; ".join(f"{run.scenario.name}: peak {run.figures.peak_backlog}" for run in closed + runs),
                unit="",
                curves=[(run.scenario.name, run, list(run.series.backlog)) for run in closed + runs],
            )
        ],
    )
