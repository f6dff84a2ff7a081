"""Question 4: how many times more orders async accepts, why queues build up, and when to use one."""

from load.analysis.results import Results, RunResult
from load.report import words
from load.report.answers import Answer, Table, capacity_label, shop_runs, workers_label
from load.report.prose import say
from load.report.queue_answers import fixed_runs
from load.report.verdict import busiest_queue
from load.scenario import Shop


def ratio_answer(results: Results) -> Answer | None:
    """Async against sync."""
    queues = fixed_runs(results)
    if not queues:
        return None
    queue = busiest_queue(results) or queues[-1]
    rows = [_row(run, queue) for run in shop_runs(results, Shop.NAIVE) + shop_runs(results, Shop.PROTECTED)]
    why = [say("ratio.why"), say("ratio.which")]
    if not rows:
        return Answer(id="ratio", short="Ratio", question=say("ratio.question"), paragraphs=why)
    shortened = any(run.scenario.stands_for_payment_seconds for run in results.runs)
    return Answer(
        id="ratio",
        short="Ratio",
        question=say("ratio.question"),
        lead=say("ratio.lead", workers=workers_label(queue), ratio=rows[0][3], shop=rows[0][0]),
        paragraphs=[*([say("ratio.shortened")] if shortened else []), *why],
        tables=[
            Table(caption="Async against sync", heads=("sync shop", "sync paid", "async accepted", "ratio"), rows=rows)
        ],
    )


def _row(run: RunResult, queue: RunResult) -> tuple[str, ...]:
    paid, accepted = run.peak.answered_in_time_rate, queue.peak.accepted_rate
    return (
        f"{run.scenario.shop.value}, capacity {capacity_label(run)}",
        words.rate(paid),
        words.rate(accepted),
        f"{accepted / paid:.0f} ×" if paid else "nothing was paid",
    )
