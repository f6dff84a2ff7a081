"""Limited stock: who gets the units, and how soon everybody else knows."""

from load.analysis.percentiles import Percentiles
from load.analysis.results import Results, RunResult
from load.analysis.stock import StockFigures
from load.report import words
from load.report.answers import Answer, Table, drain_text
from load.report.charts import Chart, Line, sampled

QUESTION = "Limited stock: who gets the units, and how soon does everybody else know?"
NOTE = (
    "Sold: orders of one unit each that the ledger has completed and the payment provider charged. Reserved: units of"
    " orders that are not paid yet, and those that the API holds to sell them next. A buyer who is told “sold out”"
    " is no lost customer; lost is who found the shop unable to take an order. These runs stand in no other comparison:"
    " what they accept is bounded by the stock."
)


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
        question=QUESTION,
        paragraphs=[_words(run, stock) for run, stock in runs],
        tables=[table],
        charts=charts,
        notes=[NOTE],
    )


def _lead(runs: list[tuple[RunResult, StockFigures]]) -> str:
    """All runs together."""
    units, sold, over = (sum(getattr(stock, name) for _, stock in runs) for name in ("units", "sold", "oversold"))
    said = f"{words.count(sold)} of {words.number_of(units, 'unit')} were sold and {words.count(over)} oversold"
    told = [stock.sold_out_answer.p50 for _, stock in runs if stock.sold_out_answer]
    return f"{said}; half of the others knew within {words.seconds(max(told))}." if told else f"{said}."


def orders_lost(stock: StockFigures) -> str:
    """`No order was lost`, `2 orders were lost`."""
    if not stock.lost:
        return "No order was lost"
    return f"{words.number_of(stock.lost, 'order')} {'was' if stock.lost == 1 else 'were'} lost"


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
    figures = run.figures
    said = (
        f"{run.scenario.name}: {words.number_of(figures.offered, 'buyer')} for {words.number_of(stock.units, 'unit')}."
        f" {words.count(stock.sold)} were sold, {words.count(stock.left)} are left, {words.count(stock.oversold)}"
        " oversold."
    )
    if stock.sold_out_answer is not None:
        told = stock.sold_out_answer
        said += (
            f" The first buyer was told “sold out” {words.seconds(stock.sold_out_after)} after the sale began, and"
            f" {words.number_of(stock.sold_out, 'buyer')} in all, each within {words.seconds(told.max)} (half of them"
            f" within {words.seconds(told.p50)})"
        )
        accept = figures.accept
        said += f"; half of the accepts took {words.seconds(accept.p50)} or less." if accept else "."
    if stock.limit_reached:
        said += f" {words.number_of(stock.limit_reached, 'order')} went beyond what one customer may buy."
    return said + f" {orders_lost(stock)}."


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
