"""Autoscaling: the simulation of a sale's hour, and the measured run that it is checked against."""

from load.analysis.results import Results, RunResult
from load.model import AutoscalingRun, Prices, deviation, plan
from load.report import words
from load.report.answers import Answer, runs_of
from load.report.charts import Chart, Line
from load.report.prose import say
from load.scenario import Arm, Scenario

RATE = 60.0
PAYMENT_SECONDS = 3.0
WAIT_SECONDS = 60.0
HOUR_SECONDS = 3600.0
EVERY = 10


def scaling_answer(results: Results, prices: Prices) -> Answer | None:
    """The simulation against a run in which the workers were changed by hand at the same moments."""
    runs = [run for run in runs_of(results, Arm.ECS) if run.series.simulated_backlog]
    if not runs:
        return None
    planned = plan(rate=RATE, payment=PAYMENT_SECONDS, wait=WAIT_SECONDS, burst=HOUR_SECONDS, prices=prices)
    hour = planned.unscaled
    charts = [chart for run in runs for chart in _measured_charts(run)]
    if hour is not None:
        charts += _hour_charts(hour)
    return Answer(
        id="scaling",
        short="Scaling",
        lead=_lead(runs[0], hour),
        question=say("scaling.question"),
        paragraphs=[_believed(run) for run in runs] + ([_hour_words(hour)] if hour is not None else []),
        charts=charts,
    )


def _lead(run: RunResult, hour: AutoscalingRun | None) -> str:
    """What autoscaling does, and how far simulation and measurement are apart."""
    waiting = "" if hour is None else say("scaling.waiting", backlog=words.count(hour.peak_backlog))
    return say("scaling.lead", waiting=waiting, off=_apart(run))


def _simulated_peak(run: RunResult) -> float:
    return max(value for value in run.series.simulated_backlog if value is not None)


def _apart(run: RunResult) -> str:
    """How far the simulated peak of the backlog is from the measured one."""
    return f"{100 * deviation(predicted=_simulated_peak(run), measured=run.figures.peak_backlog):.1f} %"


def _changes(scenario: Scenario) -> str:
    return ", ".join(f"{tasks} tasks at {moment:g} s" for moment, tasks in scenario.tasks)


def _believed(run: RunResult) -> str:
    true = run.scenario.stands_for
    return say(
        "scaling.believed",
        workers=run.scenario.workers,
        changes=_changes(run.scenario),
        true=say("scaling.true", changes=_changes(true)) if true else "",
        simulated=words.count(_simulated_peak(run)),
        measured=words.count(run.figures.peak_backlog),
        off=_apart(run),
    )


def _hour_words(hour: AutoscalingRun) -> str:
    return say(
        "scaling.hour",
        rate=f"{RATE:g}",
        backlog=words.count(hour.peak_backlog),
        moment=words.seconds(hour.peak_at),
        tasks=words.number_of(hour.peak_tasks, "task"),
        wait=words.seconds(hour.worst_wait),
    )


def _measured_charts(run: RunResult) -> list[Chart]:
    common = {
        "group": "scaling",
        "unit": "",
        "x": run.series.t,
        "bands": run.bands,
        "x_max": run.series.t[-1],
    }
    backlog = Chart.model_validate(
        common
        | {
            "id": "scaling-backlog",
            "title": "Backlog, measured and simulated",
            "alt": _believed(run),
            "lines": [
                Line(label="measured", color="backlog", values=list(run.series.backlog), fill=True),
                Line(label="simulated", color="accepted", values=run.series.simulated_backlog, dash=True),
            ],
        }
    )
    workers = Chart.model_validate(
        common
        | {
            "id": "scaling-workers",
            "title": "Workers, changed by hand",
            "alt": f"Workers change from {run.series.workers[0]} up to {max(run.series.workers)}.",
            "lines": [Line(label="workers", color="s1", values=list(run.series.workers), stepped=True)],
        }
    )
    return [backlog, workers]


def _hour_charts(hour: AutoscalingRun) -> list[Chart]:
    moments = hour.moments[::EVERY]
    grid = [moment.second for moment in moments]
    common = {"group": "hour", "unit": "", "x": grid, "x_max": grid[-1]}
    backlog = Chart.model_validate(
        common
        | {
            "id": "hour-backlog",
            "title": "Simulated hour: backlog under target tracking",
            "alt": _hour_words(hour),
            "lines": [Line(label="backlog", color="backlog", values=[one.backlog for one in moments], fill=True)],
        }
    )
    tasks = Chart.model_validate(
        common
        | {
            "id": "hour-tasks",
            "title": "Simulated hour: tasks",
            "alt": f"At most {hour.peak_tasks} tasks run.",
            "lines": [
                Line(
                    label="wanted",
                    color="muted",
                    values=[one.desired_tasks for one in moments],
                    dash=True,
                    stepped=True,
                ),
                Line(label="running", color="s1", values=[one.tasks for one in moments], stepped=True),
            ],
        }
    )
    return [backlog, tasks]
