"""One run at a glance."""

from load.analysis.results import RunResult
from load.analysis.stock import StockFigures
from load.report import markup, words
from load.report.answers import drain_text
from load.report.markup import text
from load.scenario import Arm

WHOLE = 100.0


def arm_card(run: RunResult) -> str:
    """What became of the orders, in one figure and four facts."""
    figures, stock = run.figures, run.figures.stock
    is_good = run.valid and (figures.acceptance_percent == WHOLE if stock is None else stock.oversold == 0)
    big, what, pairs = words.percent(figures.acceptance_percent), "of orders accepted", _facts(run)
    if stock is not None:
        big, what = words.count(stock.sold), f"of {words.number_of(stock.units, 'unit')} sold"
        pairs = _stock_facts(run, stock)
    state = "" if run.valid else markup.pill(run_is_valid=False)
    return (
        f'<article class="card"><h2 class="small">{text(run.scenario.title)} {state}</h2>'
        f'<div class="big {"good" if is_good else "bad"}">{big} <small>{what}</small></div>'
        f"{markup.facts(pairs)}</article>"
    )


def _facts(run: RunResult) -> list[tuple[str, str]]:
    accept, confirmation = run.figures.accept, run.figures.confirmation
    return [
        ("orders offered", words.count(run.figures.offered)),
        ("answer, p50 / p95", words.several(accept.p50, accept.p95) if accept else words.NOTHING),
        (
            "confirmation, p50 / p95",
            words.several(confirmation.p50, confirmation.p95) if confirmation else words.NOTHING,
        ),
        _own_fact(run),
    ]


def _own_fact(run: RunResult) -> tuple[str, str]:
    """What only this kind of shop has."""
    cold = run.figures.cold_start_seconds
    if run.scenario.arm is Arm.SYNC:
        return "most shoppers waiting", words.count(run.figures.peak_waiting)
    if cold is not None:
        return "cold starts, median", f"{run.figures.cold_starts} × {words.seconds(cold.p50)}"
    return "last one paid after the rush", drain_text(run)


def _stock_facts(run: RunResult, stock: StockFigures) -> list[tuple[str, str]]:
    told = stock.sold_out_answer
    return [
        ("buyers", words.count(run.figures.offered)),
        ("told “sold out”", words.count(stock.sold_out)),
        ("“sold out”, p50 / p99", words.several(told.p50, told.p99) if told else words.NOTHING),
        ("units left / oversold", f"{words.count(stock.left)} / {words.count(stock.oversold)}"),
    ]
