"""What an answer is made of, whatever it is written in: words, tables, charts."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from load.analysis.results import Results, RunResult
from load.report import words
from load.report.charts import Chart, Line
from load.scenario import Arm, Shop

TRUE_RUN = "true run, predicted"
PALETTE = ("s6", "s5", "s4", "s2", "s1", "s3")


class Table(BaseModel):
    """A table; the first cell of a row heads it. Of text the cells are sentences, which wrap; else they are figures."""

    model_config = ConfigDict(frozen=True)

    caption: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    is_text: bool = False


def filled(table: Table) -> Table:
    """The same table without the columns in which these runs have nothing to say."""
    kept = [index for index, cells in enumerate(zip(*table.rows, strict=True)) if set(cells) - {"", words.NOTHING}]
    heads, *rows = [tuple(row[index] for index in kept) for row in (table.heads, *table.rows)]
    return table.model_copy(update={"heads": heads, "rows": rows})


class Answer(BaseModel):
    """A question of the experiment and its answer. `lead` is the answer in one sentence, `notes` follow the numbers.

    `short` names it in the contents.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    question: str
    short: str
    paragraphs: list[str]
    lead: str = ""
    tables: list[Table] = []
    charts: list[Chart] = []
    notes: list[str] = []


def comparable(results: Results) -> list[RunResult]:
    """The valid runs whose throughput says something: limited stock bounds it, and an INVALID run answers nothing."""
    return [run for run in results.usable if not run.scenario.is_limited]


def runs_of(results: Results, arm: Arm, *, open_loop: bool = False) -> list[RunResult]:
    """The runs of one arm that can be compared with each other, closed or open loop."""
    return [run for run in comparable(results) if run.scenario.arm is arm and run.scenario.is_open_loop == open_loop]


def shop_runs(results: Results, shop: Shop) -> list[RunResult]:
    """The synchronous runs of one kind of shop."""
    return [run for run in runs_of(results, Arm.SYNC) if run.scenario.shop is shop]


def workers_label(run: RunResult) -> str:
    """`20 workers`, and what they stand for when time was scaled."""
    scenario = run.scenario
    label = words.number_of(scenario.workers, "worker")
    if scenario.stands_for_workers:
        label += f" (for {scenario.stands_for_workers})"
    return label + (" (planned)" if scenario.keeps_up_with else "")


def row_label(run: RunResult) -> str:
    """The workers, and that their payments are not scaled where others are."""
    whole = run.scenario.stands_for is not None and not run.scenario.stands_for_payment_seconds
    payment = f", payment {words.seconds(run.scenario.payment_seconds)} (not scaled)"
    return workers_label(run) + payment * whole


def capacity_label(run: RunResult) -> str:
    """What the payment provider takes at once."""
    return str(run.scenario.capacity or "unlimited")


def drain_text(run: RunResult) -> str:
    """How long the backlog took, or would take."""
    mark = "≈ " if run.figures.drain_is_extrapolated else ""
    return mark + words.seconds(run.figures.drain_seconds)


def true_text(run: RunResult, name: str) -> str:
    """What the model says of this figure in the run that a scaled one stands for."""
    found = next((one for one in run.true_predictions if one.name == name), None)
    return words.NOTHING if found is None else words.UNITS[found.unit](found.value)


def true_payment(run: RunResult) -> float:
    """The payment time that this run is about."""
    return run.scenario.stands_for_payment_seconds or run.scenario.payment_seconds


def smoothed(run: RunResult, values: Sequence[float], *, seconds: float) -> list[float | None]:
    """The mean over the last `seconds`: slots that finish together make waves that hide the rate."""
    window = max(1, round(seconds / run.series.width))
    return [sum(values[max(0, end - window) : end]) / min(end, window) for end in range(1, len(values) + 1)]


def overlay(
    *,
    id_: str,
    title: str,
    alt: str,
    unit: str,
    curves: Sequence[tuple[str, RunResult, list[float | None]]],
    colors: Sequence[str] = PALETTE,
) -> Chart:
    """One curve per run, all from the beginning of their loads, on the grid of the coarsest."""
    width = max(run.series.width for _, run, _ in curves)
    last = max(run.series.t[-1] for _, run, _ in curves)
    grid = [index * width for index in range(int(last // width) + 1)]

    def fitted(run: RunResult, values: list[float | None]) -> list[float | None]:
        step = int(width // run.series.width)
        return (values[::step] + [None] * len(grid))[: len(grid)]

    longest = max((run for _, run, _ in curves), key=lambda run: run.series.t[-1])
    return Chart(
        id=id_,
        title=title,
        alt=alt,
        group=id_.partition("-")[0],
        unit=unit,
        x=grid,
        lines=[
            Line(label=label, color=colors[index % len(colors)], values=fitted(run, values))
            for index, (label, run, values) in enumerate(curves)
        ],
        bands=longest.bands,
        x_max=last or 1.0,
    )
