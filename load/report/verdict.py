"""The verdict: what the runs say, in plain words."""

from load.analysis.figures import Figures
from load.analysis.results import Results, RunResult
from load.analysis.stock import StockFigures
from load.report import words
from load.report.answers import comparable, drain_text, runs_of, shop_runs, workers_label
from load.report.stock_answer import orders_lost
from load.scenario import Arm, Scenario, Shop

PATHS = {
    Arm.SYNC: "customer → API → payment → response",
    Arm.ECS: "customer → API → SNS → SQS → processor → payment",
    Arm.LAMBDA: "customer → API → SNS → Lambda → payment",
    Arm.LAMBDA_SQS: "customer → API → SNS → SQS → Lambda → payment",
}


FUNCTIONS = frozenset({Arm.LAMBDA, Arm.LAMBDA_SQS})


def scale_note(results: Results) -> str:
    """What a scaled experiment's times stand for, and which runs are scaled otherwise; nothing for a true one."""
    runs = [run for run in results.runs if run.scenario.stands_for]
    if results.kind == "demo" or not runs:
        return ""
    names: dict[str, list[str]] = {}
    for run in runs:
        true = run.scenario.stands_for_payment_seconds
        scaled = f"{words.seconds(run.scenario.payment_seconds)} for {words.seconds(true)}" if true else "not scaled"
        names.setdefault(scaled, []).append(run.scenario.name)
    usual, *others = sorted(names, key=lambda scaled: -len(names[scaled]))
    payments = "; ".join([usual, *(f"{scaled} in {', '.join(names[scaled])}" for scaled in others)])
    return (
        f"Times are scaled (payment: {payments}), and the queue's workers alike, so that their load is the same. What"
        " the provider takes at once, how many shoppers there are and how long they think are not scaled."
    )


def slowest_shop(results: Results) -> RunResult | None:
    """The naive synchronous run that lost the largest share of its orders."""
    runs = shop_runs(results, Shop.NAIVE)
    return min(runs, key=lambda run: run.figures.acceptance_percent, default=None)


def busiest_queue(results: Results) -> RunResult | None:
    """The ecs run with the largest backlog, if possible one that was seen to its end."""
    runs = [run for run in runs_of(results, Arm.ECS) if not run.scenario.tasks]
    return max(runs, key=lambda run: (not run.figures.drain_is_extrapolated, run.figures.peak_backlog), default=None)


def customers_lost(figures: Figures) -> str:
    """Who got nothing, of those who came: a refused request is not yet a lost customer, who comes again."""
    lost = words.count(figures.customers_lost)
    end = f"{lost} got no order at all" if figures.customers_lost else "none was left without an order"
    return f"of {words.number_of(figures.customers, 'customer')} {end}"


def payments_at_a_time(scenario: Scenario) -> str:
    """`1 payment at a time`: what the payment provider takes."""
    many = words.number_of(scenario.capacity, "payment") if scenario.capacity else "any number of payments"
    return f"{many} at a time"


def sync_sentence(run: RunResult) -> str:
    """What happened to the customers of a synchronous shop."""
    figures = run.figures
    answer = words.seconds(figures.answer.p95 if figures.answer else None)
    provider = f" behind a provider that takes {payments_at_a_time(run.scenario)}" if run.scenario.capacity else ""
    if figures.rejected == 0:
        return (
            f"Paying while the shopper waits{provider} took {figures.accepted} orders and lost none, but one shopper in"
            f" twenty waited longer than {answer}."
        )
    return (
        f"Paying while the shopper waits{provider} refused {figures.rejected} of {figures.offered} requests, and one"
        f" shopper in twenty waited longer than {answer} for an answer; {customers_lost(figures)}."
    )


def queue_sentence(run: RunResult) -> str:
    """What happened to the customers of the queue."""
    figures = run.figures
    accept = words.seconds(figures.accept.p95 if figures.accept else None)
    taken = "every one" if figures.rejected == 0 else words.percent(figures.acceptance_percent)
    drain = words.seconds(figures.drain_seconds)
    paid = (
        f"would pay the last of them {drain} after the rush"
        if figures.drain_is_extrapolated
        else f"paid the last of them {drain} after the rush"
    )
    return (
        f"The queue with {workers_label(run)} took {taken} of {words.count(figures.offered)}"
        f" orders, 95 % of them within {accept}, let"
        " the backlog"
        f" grow to {words.count(figures.peak_backlog)}, and {paid}."
    )


def lambda_sentence(run: RunResult) -> str:
    """What Lambda did with its handful."""
    figures, cold = run.figures, run.figures.cold_start_seconds
    starts = (
        f"{figures.cold_starts} cold starts of {words.seconds(cold.p50)} (median)" if cold else "no cold start at all"
    )
    waited = words.seconds(figures.confirmation.p95 if figures.confirmation else None)
    return f"Lambda ({run.scenario.name}) paid its {figures.completed} orders within {waited} (p95), with {starts}."


def stock_sentence(run: RunResult, stock: StockFigures) -> str:
    """What became of limited stock."""
    told = stock.sold_out_answer
    rest = (
        f"; “sold out” was told to {words.number_of(stock.sold_out, 'buyer')}, half of them within"
        f" {words.seconds(told.p50)}"
        if told
        else ""
    )
    lost = f"; {orders_lost(stock)}" if stock.lost else ""
    return (
        f"Of {words.number_of(stock.units, 'unit')} ({run.scenario.name}) {words.count(stock.sold)} were sold,"
        f" {words.count(stock.left)} are left and {words.count(stock.oversold)} oversold{rest}{lost}."
    )


def verdict(results: Results) -> list[str]:
    """The sentences that open the report."""
    sentences = [_unusable(run) for run in results.runs if not run.valid]
    if (shop := slowest_shop(results)) is not None:
        sentences.append(sync_sentence(shop))
    if (queue := busiest_queue(results)) is not None:
        sentences.append(queue_sentence(queue))
    sentences += [lambda_sentence(run) for run in comparable(results) if run.scenario.arm in FUNCTIONS]
    sentences += [stock_sentence(run, stock) for run in results.usable if (stock := run.figures.stock) is not None]
    if sentences:
        return sentences
    return [_plain_sentence(run) for run in results.usable] or ["No run was finished; there is nothing to say yet."]


def _unusable(run: RunResult) -> str:
    failed = "; ".join(check.title for check in run.checks if not check.holds)
    return f"{run.scenario.name} is INVALID and answers nothing: it fails “{failed}”."


def _plain_sentence(run: RunResult) -> str:
    figures = run.figures
    return (
        f"{run.scenario.title}: {words.count(figures.accepted)} of {words.count(figures.offered)} orders accepted, peak"
        f" backlog {words.count(figures.peak_backlog)}, gone {drain_text(run)} after the load."
    )
