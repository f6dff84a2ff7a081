"""The figures that the course's students published, beside ours, and those that cannot be true."""

from load.lab import words
from load.lab.claims import PUBLISHED_CLAIMS, impossible
from load.lab.report.answers import Answer, Table
from load.lab.results import Results
from load.model import PUBLISHED


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


def published_answer(results: Results) -> Answer | None:
    """What others measured. Only a run at the true payment time can be compared."""
    scaled = any(run.scenario.stands_for_payment_seconds for run in results.runs)
    wrong = [(claim.source, "; ".join(impossible(claim))) for claim in PUBLISHED_CLAIMS]
    paragraphs = ["Some published figures cannot be true; the checks of this report would have called them INVALID."]
    if scaled:
        paragraphs.insert(
            0, "These runs are scaled in time: compare ratios with the published figures, not the figures."
        )
    return Answer(
        id="published",
        question="What did others measure?",
        paragraphs=paragraphs,
        tables=[
            Table(
                caption="Published figures",
                heads=("scenario", "figure", "published"),
                rows=[(one.scenario, one.name, _range(one.low, one.high)) for one in PUBLISHED],
            ),
            Table(
                caption="Published figures that cannot be true",
                heads=("published", "why it cannot be"),
                rows=wrong,
            ),
        ],
        notes=[f"Ours: {_ours(results)}."] if not scaled and results.runs else [],
    )


def _ours(results: Results) -> str:
    return "; ".join(
        f"{run.scenario.name} {phase.name}: {phase.accepted} of {phase.offered},"
        f" p50 {words.seconds(phase.answer.p50 if phase.answer else None)}"
        for run in results.runs
        for phase in run.figures.phases
    )
