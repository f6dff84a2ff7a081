"""The verdict: what the runs say, in plain words."""

from load.analysis.figures import Figures
from load.analysis.results import Results, RunResult
from load.analysis.stock import StockFigures
from load.report import words
from load.report.answers import comparable, drain_text, runs_of, shop_runs, workers_label
from load.report.prose import say
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
    return say("verdict.scaled", payments=payments)


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
    customers = words.number_of(figures.customers, "customer")
    if not figures.customers_lost:
        return say("verdict.no_customer_lost", customers=customers)
    return say("verdict.customers_lost", customers=customers, lost=words.count(figures.customers_lost))


def payments_at_a_time(scenario: Scenario) -> str:
    """`1 payment at a time`: what the payment provider takes."""
    many = words.number_of(scenario.capacity, "payment") if scenario.capacity else "any number of payments"
    return f"{many} at a time"


def sync_sentence(run: RunResult) -> str:
    """What happened to the customers of a synchronous shop."""
    figures = run.figures
    answer = words.seconds(figures.answer.p95 if figures.answer else None)
    payments = payments_at_a_time(run.scenario)
    provider = say("verdict.provider", payments=payments) if run.scenario.capacity else ""
    if figures.rejected == 0:
        return say("verdict.sync_lost_none", provider=provider, accepted=figures.accepted, answer=answer)
    return say(
        "verdict.sync_refused",
        provider=provider,
        rejected=figures.rejected,
        offered=figures.offered,
        answer=answer,
        lost=customers_lost(figures),
    )


def queue_sentence(run: RunResult) -> str:
    """What happened to the customers of the queue."""
    figures = run.figures
    accept = words.seconds(figures.accept.p95 if figures.accept else None)
    taken = "every one" if figures.rejected == 0 else words.percent(figures.acceptance_percent)
    return say(
        "verdict.queue_would_pay" if figures.drain_is_extrapolated else "verdict.queue_paid",
        workers=workers_label(run),
        taken=taken,
        offered=words.count(figures.offered),
        accept=accept,
        backlog=words.count(figures.peak_backlog),
        drain=words.seconds(figures.drain_seconds),
    )


def lambda_sentence(run: RunResult) -> str:
    """What Lambda did with its handful."""
    figures, cold = run.figures, run.figures.cold_start_seconds
    starts = say("verdict.no_cold_start")
    if cold:
        starts = say("verdict.cold_starts", count=figures.cold_starts, median=words.seconds(cold.p50))
    waited = words.seconds(figures.confirmation.p95 if figures.confirmation else None)
    return say("verdict.functions", run=run.scenario.name, completed=figures.completed, waited=waited, starts=starts)


def stock_sentence(run: RunResult, stock: StockFigures) -> str:
    """What became of limited stock."""
    told = stock.sold_out_answer
    buyers = words.number_of(stock.sold_out, "buyer")
    return say(
        "verdict.stock",
        units=words.number_of(stock.units, "unit"),
        run=run.scenario.name,
        sold=words.count(stock.sold),
        left=words.count(stock.left),
        oversold=words.count(stock.oversold),
        rest=say("verdict.stock_told", buyers=buyers, half=words.seconds(told.p50)) if told else "",
        lost=f"; {orders_lost(stock)}" if stock.lost else "",
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
    return [_plain_sentence(run) for run in results.usable] or [say("verdict.nothing")]


def _unusable(run: RunResult) -> str:
    failed = "; ".join(check.title for check in run.checks if not check.holds)
    return say("verdict.invalid", run=run.scenario.name, checks=failed)


def _plain_sentence(run: RunResult) -> str:
    figures = run.figures
    return say(
        "verdict.plain",
        run=run.scenario.title,
        accepted=words.count(figures.accepted),
        offered=words.count(figures.offered),
        backlog=words.count(figures.peak_backlog),
        drain=drain_text(run),
    )
