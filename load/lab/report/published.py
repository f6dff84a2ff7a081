"""The figures that the course's students published, beside ours, and those that cannot be true."""

import re

from load.lab import words
from load.lab.claims import PUBLISHED_CLAIMS, impossible
from load.lab.figures import PhaseFigures
from load.lab.report.answers import Answer, Table, runs_of, rush_of, shop_runs
from load.lab.results import Results, RunResult
from load.lab.scenario import Arm, Shop
from load.model import PUBLISHED, PublishedFigure

SYNC = re.compile(r"sync capacity (?P<capacity>\d+), (?P<users>\d+) users")
WORKERS = re.compile(r"async, (?P<workers>\d+) workers?$")
MINUTE = 60.0


def _range(one: PublishedFigure) -> str:
    return f"{one.low:g}" if one.low == one.high else f"{one.low:g}–{one.high:g}"


def _sync_phase(results: Results, scenario: str) -> PhaseFigures | None:
    found = SYNC.match(scenario)
    if found is None:
        return None
    for run in shop_runs(results, Shop.NAIVE):
        if run.scenario.capacity == int(found["capacity"]):
            return next((one for one in run.figures.phases if one.users == int(found["users"])), None)
    return None


def _sync_value(phase: PhaseFigures, name: str) -> str:
    # A published run ends with its phase: what was answered later is not in its figures.
    paid, refused = phase.answered_in_time_rate * phase.seconds, phase.refused_in_time_rate * phase.seconds
    answer = phase.answer_in_time
    values = {
        "orders": f"{paid:.0f}",
        "answers": f"{paid + refused:.0f}",
        "failed share": f"{refused / max(1.0, paid + refused):.2f}",
        "mean response s": f"{answer.mean:.3g}" if answer else words.NOTHING,
        "p50 s": f"{answer.p50:.3g}" if answer else words.NOTHING,
    }
    return values.get(name, words.NOTHING)


def _ours(results: Results, one: PublishedFigure) -> str:
    phase = _sync_phase(results, one.scenario)
    if phase is not None:
        return _sync_value(phase, one.name)
    queues = [run for run in runs_of(results, Arm.ECS) if not run.scenario.tasks]
    if one.name == "accepted" and queues:
        counts = [rush_of(run).accepted for run in queues]
        return f"{min(counts)}–{max(counts)}"
    found = WORKERS.match(one.scenario)
    run = next((run for run in queues if found is not None and run.scenario.workers == int(found["workers"])), None)
    return words.NOTHING if run is None else _drain_minutes(run)


def _drain_minutes(run: RunResult) -> str:
    mark = "≈ " if run.figures.drain_is_extrapolated else ""
    return f"{mark}{run.figures.drain_seconds / MINUTE:.3g}"


def published_answer(results: Results) -> Answer | None:
    """What others measured. Only runs at the true payment time can be compared."""
    scaled = any(run.scenario.stands_for_payment_seconds for run in results.runs)
    paragraphs = [
        (
            "Drains are longer here where more orders were accepted. Of a shop whose provider takes one payment"
            " at a time"
            " we answer fewer with 503: our provider gives up a place in line when its time is over, theirs still pays"
            " for who has left."
        ),
        "Some published figures cannot be true; the checks of this report would have called such runs INVALID.",
    ]
    if scaled:
        paragraphs[0] = "These runs are scaled in time, so only the full laboratory can be compared with them."
    rows = [
        (one.scenario, one.name, _range(one), words.NOTHING if scaled else _ours(results, one)) for one in PUBLISHED
    ]
    wrong = [(claim.source, "; ".join(impossible(claim))) for claim in PUBLISHED_CLAIMS]
    return Answer(
        id="published",
        question="What did others measure?",
        paragraphs=paragraphs,
        tables=[
            Table(caption="Published figures", heads=("scenario", "figure", "published", "here"), rows=rows),
            Table(
                caption="Published figures that cannot be true",
                heads=("published", "why it cannot be"),
                rows=wrong,
                is_text=True,
            ),
        ],
    )
