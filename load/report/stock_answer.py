"""Limited stock: who gets the units, and how soon everybody else knows."""

from load.analysis.percentiles import Percentiles
from load.analysis.results import Results, RunResult
from load.analysis.stock import StockFigures
from load.report import words
from load.report.answers import Answer, Table, drain_text
from load.report.charts import Chart, Line, sampled
from load.report.prose import say

HEADS = (
    "run",
    "accept p50/p95/p99",
    "“sold out” p50/p95/p99",
    "first “sold out” after",
    "confirmation p50/p95/p99",
    "last one paid after the load",
)


def stock_runs(results: Results) -> list[tuple[RunResult, StockFigures]]:
    """The valid runs with limited stock."""
    return [(run, run.figures.stock) for run in results.usable if run.figures.stock is not None]


def stock_answer(results: Results) -> Answer | None:
    """The answer, when there are runs with limited stock."""
    runs = stock_runs(results)
    if not runs:
        return None
    table = Table(caption="How soon a buyer knows", heads=HEADS, rows=[_row(run, stock) for run, stock in runs])
    charts = [chart for run, stock in runs for chart in (_units_chart(run, stock), _answers_chart(run, stock))]
    return Answer(
        id="stock",
        short="Stock",
        lead=_lead(runs),
        question=say("stock.question"),
        paragraphs=[_words(run, stock) for run, stock in runs],
        tables=[table],
        charts=charts,
        notes=[say("stock.note")],
    )


def _lead(runs: list[tuple[RunResult, StockFigures]]) -> str:
    """All runs together."""
    units, sold, over = (sum(getattr(stock, name) for _, stock in runs) for name in ("units", "sold", "oversold"))
    told = [stock.sold_out_answer.p50 for _, stock in runs if stock.sold_out_answer]
    values = {"sold": words.count(sold), "units": words.number_of(units, "unit"), "oversold": words.count(over)}
    return say("stock.lead_told", half=words.seconds(max(told)), **values) if told else say("stock.lead", **values)


def orders_lost(stock: StockFigures) -> str:
    """`No order was lost`, `2 orders were lost`."""
    if stock.lost <= 1:
        return say("stock.one_lost" if stock.lost else "stock.none_lost")
    return say("stock.lost", orders=words.number_of(stock.lost, "order"))


def _row(run: RunResult, stock: StockFigures) -> tuple[str, ...]:
    figures = run.figures
    return (
        run.scenario.name,
        _percentiles(figures.accept),
        _percentiles(stock.sold_out_answer),
        words.seconds(stock.sold_out_after),
        _percentiles(figures.confirmation),
        drain_text(run),
    )


def _percentiles(found: Percentiles | None) -> str:
    return words.several(found.p50, found.p95, found.p99) if found else words.NOTHING


def _words(run: RunResult, stock: StockFigures) -> str:
    beyond = words.number_of(stock.limit_reached, "order")
    return say(
        "stock.run",
        run=run.scenario.name,
        buyers=words.number_of(run.figures.offered, "buyer"),
        units=words.number_of(stock.units, "unit"),
        sold=words.count(stock.sold),
        left=words.count(stock.left),
        oversold=words.count(stock.oversold),
        told=_told(run, stock),
        limit=say("stock.limit", orders=beyond) if stock.limit_reached else "",
        lost=orders_lost(stock),
    )


def _told(run: RunResult, stock: StockFigures) -> str:
    """How soon the others knew."""
    told, accept = stock.sold_out_answer, run.figures.accept
    if told is None:
        return ""
    return say(
        "stock.told",
        first=words.seconds(stock.sold_out_after),
        buyers=words.number_of(stock.sold_out, "buyer"),
        slowest=words.seconds(told.max),
        half=words.seconds(told.p50),
        accepts=say("stock.accepts", half=words.seconds(accept.p50)) if accept else "",
    )


def _units_chart(run: RunResult, stock: StockFigures) -> Chart:
    series = run.series
    lines = [
        Line(label="available", color="muted", values=sampled(run, series.units_available), stepped=True, dash=True),
        Line(label="reserved", color="backlog", values=sampled(run, series.units_reserved), stepped=True),
        Line(label="sold", color="completed", values=sampled(run, series.units_sold), stepped=True),
    ]
    return Chart(
        id=f"{run.scenario.folder_name}-units",
        title=f"{run.scenario.name}: units, sampled each second",
        alt=f"{run.scenario.name}: of {stock.units} units {stock.sold} are sold and {stock.left} left.",
        group=run.scenario.folder_name,
        unit="",
        x=series.t,
        lines=lines,
        bands=run.bands,
        x_max=series.t[-1] or 1.0,
        y_max=stock.units,
    )


def _answers_chart(run: RunResult, stock: StockFigures) -> Chart:
    series = run.series
    lines = [
        Line(label="accepted", color="accepted", values=list(series.accepted)),
        Line(label="told “sold out”", color="muted", values=list(series.sold_out), dash=True),
    ]
    if stock.lost:
        lost = [refused - told for refused, told in zip(series.rejected, series.sold_out, strict=True)]
        lines.append(Line(label="refused otherwise", color="rejected", values=list(lost)))
    return Chart(
        id=f"{run.scenario.folder_name}-answers",
        title=f"{run.scenario.name}: answers per second",
        alt=f"{run.scenario.name}: {run.figures.accepted} buyers accepted, {stock.sold_out} told that it is sold out.",
        group=run.scenario.folder_name,
        unit="/s",
        x=series.t,
        lines=lines,
        bands=run.bands,
        x_max=series.t[-1] or 1.0,
    )
