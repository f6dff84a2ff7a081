"""The questions of an experiment, each answered once, whatever the answers are written in."""

from load.analysis.predicted import PredictedValue
from load.analysis.results import Results, RunResult
from load.model import Prices
from load.report import words
from load.report.answers import TRUE_RUN, Answer, Table, filled, true_text
from load.report.console import run_name
from load.report.lambda_answers import cold_answer, switch_answer
from load.report.money import money_answer
from load.report.open_answer import open_loop_answer
from load.report.prose import say
from load.report.published import published_answer
from load.report.queue_answers import growth_answer, workers_answer
from load.report.ratio_answer import ratio_answer
from load.report.scaling_answer import scaling_answer
from load.report.stock_answer import stock_answer
from load.report.sync_answer import sync_answer


def predicted_answer(results: Results) -> Answer | None:
    """Predicted beside measured, for every run."""
    runs = [run for run in results.runs if run.predictions]
    if not runs:
        return None
    rows = [(run, value) for run in runs for value in run.predictions]
    known = [value for _, value in rows if value.ok is not None]
    near = sum(value.ok is True for value in known)
    unknown = len(rows) - len(known)
    rest = say("predicted.unknown", count=unknown) if unknown else ""
    limited = any(run.scenario.is_limited for run in runs)
    return Answer(
        id="predicted",
        short="Model",
        lead=say("predicted.lead", near=near, known=len(known)),
        question=say("predicted.question"),
        paragraphs=[say("predicted.known", unknown=rest), *([say("predicted.stock")] if limited else [])],
        tables=[
            Table(
                caption="Runs and their predictions",
                heads=("run", "within 10 %", "furthest off", "predicted", "measured", "deviation"),
                rows=[_furthest_row(run) for run in runs],
            ),
            filled(
                Table(
                    caption="Every prediction",
                    heads=("figure", "predicted", "measured", "deviation", TRUE_RUN, "remark"),
                    rows=[_predicted_row(run, value) for run, value in rows],
                )
            ),
        ],
    )


def _furthest_row(run: RunResult) -> tuple[str, ...]:
    known = [value for value in run.predictions if value.ok is not None]
    if not known:
        return (run_name(run), *[words.NOTHING] * 5)
    worst = max(known, key=lambda value: value.deviation or 0.0)
    near = sum(value.ok is True for value in known)
    return (run_name(run), f"{near} of {len(known)}", worst.name, *_beside(worst))


def _beside(value: PredictedValue) -> tuple[str, str, str]:
    """Predicted, measured, deviation."""
    shown = words.UNITS[value.unit]
    if value.measured is None or value.deviation is None:
        return shown(value.predicted), words.NOTHING, words.NOTHING
    mark = "≈ " if value.extrapolated else ""
    return shown(value.predicted), mark + shown(value.measured), f"{100 * value.deviation:.1f} %"


def _predicted_row(run: RunResult, value: PredictedValue) -> tuple[str, ...]:
    mark = "more than 10 % off" if value.ok is False else ""
    remark = "; ".join(part for part in (mark, value.formula) if part)
    return (f"{run_name(run)}: {value.name}", *_beside(value), true_text(run, value.name), remark)


def answers(results: Results, prices: Prices) -> list[Answer]:
    """Every question that these runs can answer; a demo asks one."""
    if results.kind == "demo" or not results.runs:
        return [answer for answer in [stock_answer(results)] if answer is not None]
    found = [
        sync_answer(results),
        growth_answer(results),
        workers_answer(results),
        ratio_answer(results),
        open_loop_answer(results),
        scaling_answer(results, prices),
        stock_answer(results),
        cold_answer(results),
        switch_answer(results, prices),
        predicted_answer(results),
        money_answer(results, prices),
        published_answer(results),
    ]
    return [answer for answer in found if answer is not None]
