"""The figures that the course's students published, beside ours, and those that cannot be true."""

import re
from collections.abc import Sequence

from load.analysis.figures import PhaseFigures
from load.analysis.results import Results, RunResult
from load.model import PUBLISHED, PUBLISHED_CLAIMS, PublishedFigure, impossible
from load.records import PROCESSOR
from load.report import words
from load.report.answers import Answer, Table, filled, shop_runs
from load.report.lambda_answers import lambda_runs
from load.report.prose import say
from load.report.queue_answers import fixed_runs
from load.scenario import Shop

SYNC = re.compile(r"sync capacity (?P<capacity>\d+), (?P<users>\d+) users")
WORKERS = re.compile(r"async, (?P<workers>\d+) workers?\b")
MINUTE = 60.0
MILLISECONDS = 1000.0


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
    if one.scenario.startswith("Lambda"):
        return _over([run.figures.first_cold_start_seconds for run in lambda_runs(results)], MILLISECONDS)
    queues = fixed_runs(results)
    if (found := WORKERS.match(one.scenario)) is not None:
        run = next((run for run in queues if run.scenario.workers == int(found["workers"])), None)
        return words.NOTHING if run is None else _worker_value(run, one.name)
    return _accept_value([run.peak for run in queues], one.name)


def _accept_value(rushes: Sequence[PhaseFigures], name: str) -> str:
    match name:
        case "accepted":
            return _over([rush.accepted for rush in rushes])
        case "accepted /s":
            return _over([rush.accepted_rate for rush in rushes])
        case "p50 ms":
            return _over([rush.accept.p50 for rush in rushes if rush.accept], MILLISECONDS)
        case "mean ms":
            return _over([rush.accept.mean for rush in rushes if rush.accept], MILLISECONDS)
    return words.NOTHING


def _over(values: Sequence[float | None], factor: float = 1.0) -> str:
    """The range of what several runs measured."""
    known = [value * factor for value in values if value is not None]
    if not known:
        return words.NOTHING
    low, high = f"{min(known):.4g}", f"{max(known):.4g}"
    return low if low == high else f"{low}–{high}"


def _worker_value(run: RunResult, name: str) -> str:
    if name == "CPU %":
        use = next((one for one in run.processes if one.process == PROCESSOR), None)
        return words.NOTHING if use is None else f"{use.cpu_mean_percent:.0f}"
    figures = run.figures
    mark = "≈ " if figures.drain_is_extrapolated else ""
    after = figures.drain_seconds / MINUTE
    return f"{mark}{after:.3g} ({after + run.peak.seconds / MINUTE:.3g} from the first order)"


def _remarks(results: Results) -> list[str]:
    """What explains the differences, as far as these runs show them."""
    found = []
    if fixed_runs(results):
        found.append(say("published.drains"))
    if any(run.scenario.capacity == 1 for run in shop_runs(results, Shop.NAIVE)):
        found.append(say("published.refused"))
    return found


def published_answer(results: Results) -> Answer | None:
    """What others measured. Only runs at the true payment time can be compared."""
    scaled = any(run.scenario.stands_for_payment_seconds for run in results.runs)
    paragraphs = [say("published.scaled")] if scaled else _remarks(results)
    rows = [
        (one.scenario, one.name, _range(one), words.NOTHING if scaled else _ours(results, one)) for one in PUBLISHED
    ]
    wrong = [(claim.source, "; ".join(impossible(claim))) for claim in PUBLISHED_CLAIMS]
    lead = "published.lead_scaled" if scaled else "published.lead"
    return Answer(
        id="published",
        short="Published",
        lead=say(lead, figures=len(PUBLISHED), wrong=len(wrong)),
        question=say("published.question"),
        paragraphs=[*paragraphs, say("published.impossible")],
        tables=[
            filled(
                Table(caption="Published figures", heads=("scenario", "figure", "published", "here"), rows=rows),
            ),
            Table(
                caption="Published figures that cannot be true",
                heads=("published", "why it cannot be"),
                rows=wrong,
                is_text=True,
            ),
        ],
    )
