"""Question 4: how many times more orders async accepts, why queues build up, and when to use one."""

from load.analysis.results import Results, RunResult
from load.report import words
from load.report.answers import Answer, Table, capacity_label, shop_runs, workers_label
from load.report.queue_answers import fixed_runs
from load.report.verdict import busiest_queue
from load.scenario import Shop

RATIO = "How many times more orders does async accept than sync? Why do queues build up, and when is which right?"
SHORTENED = (
    "The payments of these runs were shortened while the provider's capacity was not, so a synchronous shop"
    " completes more here than at the true payment time: the true ratios are larger."
)
WHY = (
    "It accepts more because it promises less: the order is taken, the payment comes later. The payments are not"
    " faster by one second. A queue builds up whenever orders come faster than workers ÷ payment time, and it is"
    " prevented by enough workers (rate × payment time), by scaling on the backlog per worker, or by taking fewer"
    " orders."
)
WHICH = (
    "Sync is right when the answer is needed at once and the rate stays below the provider's capacity ÷ payment time."
    " Async is right when the peak exceeds that, the customer can wait for a confirmation, and an order must not be"
    " lost."
)


def ratio_answer(results: Results) -> Answer | None:
    """Async against sync."""
    queues = fixed_runs(results)
    if not queues:
        return None
    queue = busiest_queue(results) or queues[-1]
    rows = [_row(run, queue) for run in shop_runs(results, Shop.NAIVE) + shop_runs(results, Shop.PROTECTED)]
    if not rows:
        return Answer(id="ratio", short="Ratio", question=RATIO, paragraphs=[WHY, WHICH])
    shortened = any(run.scenario.stands_for_payment_seconds for run in results.runs)
    return Answer(
        id="ratio",
        short="Ratio",
        question=RATIO,
        lead=f"In the rush, the queue with {workers_label(queue)} accepted {rows[0][3]} as many orders per second as a"
        f" shop got paid that pays at once ({rows[0][0]}).",
        paragraphs=[*([SHORTENED] if shortened else []), WHY, WHICH],
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
