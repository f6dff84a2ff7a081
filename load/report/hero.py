"""The first screen: one sentence with one figure, one chart that tells the story, three cards."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from load.analysis.results import Results, RunResult
from load.report import markup, words
from load.report.answers import drain_text
from load.report.cards import arm_card
from load.report.charts import Chart, Line, Mark
from load.report.markup import text
from load.report.verdict import FUNCTIONS, busiest_queue, scale_note, slowest_shop, verdict
from load.scenario import Arm

CARDS = 3
TWICE = 2


@dataclass(frozen=True, kw_only=True)
class Headline:
    """`figure` is the one figure of the report, `rest` what it is said of."""

    figure: str
    rest: str


def headline(results: Results) -> Headline | None:
    """Orders taken per second in the rush: the queue's beside those of the synchronous shop."""
    shop, queue = slowest_shop(results), busiest_queue(results)
    if shop is None or queue is None:
        return None
    paid, taken = shop.peak.answered_in_time_rate, queue.peak.accepted_rate
    if paid == 0:
        return Headline(
            figure=words.rate(taken), rest="taken by the queue, where a shop that pays at once got none paid"
        )
    times = taken / paid
    figure = f"{times:.0f} times" if times >= TWICE else f"{times:.1f} times"
    return Headline(figure=figure, rest="as many orders: the queue takes them now and pays them later")


def first_screen(results: Results) -> tuple[str, list[Chart]]:
    """The sentence, the chart and the cards."""
    found = headline(results)
    title = f"<em>{text(found.figure)}</em> {text(found.rest)}" if found else text(results.title)
    parts = [f"<h1>{title}</h1>", f'<p class="deck">{text(" ".join(verdict(results)[: 2 if found else None]))}</p>']
    if note := f"{results.summary} {scale_note(results)}".strip():
        parts.append(f'<p class="note">{text(note)}</p>')
    charts = []
    shop, queue = slowest_shop(results), busiest_queue(results)
    if queue is not None:
        charts.append(story_chart(queue, shop))
        parts.append(f'<div class="card story">{markup.chart_place(charts[0])}</div>')
    cards = [arm_card(run) for run in _shown(results)]
    parts.append(f'<div class="cards">{"".join(cards)}</div>' if cards else "")
    return '<div class="hero">' + "\n".join(parts) + "</div>", charts


def _shown(results: Results) -> list[RunResult]:
    """One run of each kind of shop; those that are there, when it is not such an experiment."""
    shop, queue = slowest_shop(results), busiest_queue(results)
    function = next((run for run in results.usable if run.scenario.arm in FUNCTIONS), None)
    found = [run for run in (shop, queue, function) if run is not None]
    return (found or list(results.runs))[:CARDS]


def story_chart(queue: RunResult, shop: RunResult | None) -> Chart:
    """Orders since the beginning. What lies between those that were taken and those that were paid is the backlog."""
    runs = [run for run in (queue, shop) if run is not None]
    width = max(run.series.width for run in runs)
    grid = [index * width for index in range(max(int(run.series.t[-1] // width) for run in runs) + 1)]
    end = queue.bands[-1].end + queue.figures.drain_seconds
    taken, paid = _total(queue, queue.series.accepted, grid), _total(queue, queue.series.completed, grid)
    lines = [
        Line(label="taken by the queue", color="accepted", values=taken, width=2.5, unnamed=True),
        Line(label="paid from the queue", color="completed", values=paid, width=2.5, unnamed=True),
    ]
    if shop is not None:
        arm = shop.scenario.arm.value
        lines += [
            Line(
                label=f"{arm}: {what}",
                at_end=f"{arm}: {words.count(total)} {what}",
                color=color,
                values=_total(shop, rates, grid),
            )
            for what, color, total, rates in (
                ("refused", "rejected", shop.figures.rejected, shop.series.rejected),
                ("paid", "muted", shop.figures.accepted, shop.series.accepted),
            )
        ]
    return Chart(
        id="story",
        title="Orders since the beginning of the sale",
        alt=" ".join(_story_words(run) for run in runs),
        group="story",
        unit="",
        x=grid,
        lines=lines,
        bands=queue.bands,
        marks=_story_marks(queue, taken, paid, end),
        between=[(0, 1)],
        x_max=max(grid[-1], width),
        y_max=1.12 * queue.figures.accepted,
        height=300,
    )


def _total(run: RunResult, rates: Sequence[float], grid: Sequence[float]) -> list[float | None]:
    """How many there were before each moment of the grid, to the end of the run."""
    own = [0.0, *accumulate(rate * run.series.width for rate in rates)]
    step = int((grid[1] - grid[0]) // run.series.width) if len(grid) > 1 else 1
    found: list[float | None] = [round(value) for value in own[: len(run.series.t) : step]]
    return (found + [None] * len(grid))[: len(grid)]


def _story_marks(
    queue: RunResult, taken: Sequence[float | None], paid: Sequence[float | None], end: float
) -> list[Mark]:
    accepted = queue.figures.accepted
    waiting = [(one or 0) - (other or 0) for one, other in zip(taken, paid, strict=True)]
    index = waiting.index(max(waiting))
    marks = [
        Mark(
            label=f"{words.count(queue.figures.peak_backlog)} wait in the queue",
            color="backlog",
            x=index * queue.series.width,
            y=taken[index],
            y_to=paid[index],
        ),
        Mark(label=f"{words.count(accepted)} taken", color="accepted", x=queue.bands[-1].end, y=accepted),
    ]
    if not queue.figures.drain_is_extrapolated and queue.figures.peak_backlog:
        label = f"all paid, {drain_text(queue)} after the rush"
        marks.append(Mark(label=label, color="completed", x=end, y=accepted))
    return marks


def _story_words(run: RunResult) -> str:
    figures = run.figures
    said = f"{run.scenario.name}: {figures.accepted} orders accepted, {figures.rejected} refused"
    if run.scenario.arm is Arm.SYNC:
        return f"{said}."
    return f"{said}, at most {figures.peak_backlog} waiting, all paid {drain_text(run)} after the rush."
