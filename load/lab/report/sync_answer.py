"""Question 1: what happens to the customers of the synchronous shop."""

from load.lab import words
from load.lab.report.answers import Answer, Table, capacity_label, overlay, runs_of, rush_of, shop_runs, smoothed
from load.lab.results import Results, RunResult
from load.lab.scenario import Arm, Shop

QUESTION = (
    "What happens to the customers in the synchronous sale? How many orders per second at most, how many are lost?"
)


def _limit(run: RunResult) -> str:
    scenario = run.scenario
    if scenario.slots == 0:
        return words.NOTHING
    return words.rate(scenario.slots / scenario.payment_seconds)


def _rows(run: RunResult) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for phase in run.figures.phases:
        lost = 100 * phase.rejected / max(1, phase.offered)
        rows.append(
            (
                f"{run.scenario.shop.value}, capacity {capacity_label(run)}: {phase.name}",
                words.count(phase.offered),
                words.rate(phase.answered_in_time_rate),
                _limit(run),
                words.rate(phase.lost_per_second),
                words.percent(lost),
                words.several(phase.accept.p50, phase.accept.p95) if phase.accept else words.NOTHING,
                words.several(phase.answer.p50, phase.answer.p95) if phase.answer else words.NOTHING,
            )
        )
    return rows


def _naive_words(run: RunResult) -> str:
    rush, capacity = rush_of(run), capacity_label(run)
    answer = words.seconds(rush.answer.p50 if rush.answer else None)
    limit = "" if run.scenario.slots == 0 else f" (the provider allows {_limit(run)})"
    fate = (
        f"{rush.rejected} of {rush.offered} orders were lost, {words.rate(rush.lost_per_second)}"
        if rush.rejected
        else f"none of {rush.offered} orders was lost"
    )
    return (
        f"With a provider that takes {capacity} payment{'' if capacity == '1' else 's'} at a time,"
        f" {rush.users} shoppers"
        f" got {words.rate(rush.answered_in_time_rate)} paid{limit}; {fate};"
        f" half of them waited {answer} or longer."
    )


def sync_answer(results: Results) -> Answer | None:
    """The answer, when there are synchronous runs."""
    runs = runs_of(results, Arm.SYNC)
    if not runs:
        return None
    naive, protected = shop_runs(results, Shop.NAIVE), shop_runs(results, Shop.PROTECTED)
    paragraphs = [_naive_words(run) for run in naive]
    if protected:
        paragraphs.append(
            "The protected shop lets no more shoppers pay at once than the provider takes (ten, when it takes any"
            " number) and says no after a short wait."
            " Who is refused at once tries again at once, so more is offered and more refused than in the naive shop."
            " It answers everybody quickly and loses the rest at once instead of after half a minute; it cannot make"
            " the provider faster: behind a limited provider it completes as many orders as the naive shop, behind an"
            " unlimited one its own limit is what sends shoppers away."
        )
    heads = ("shop", "offered", "paid/s", "possible", "lost/s", "lost", "paid order p50/p95", "any answer p50/p95")
    curves = [(f"{run.scenario.shop.value}, {capacity_label(run)}", run) for run in runs]
    charts = [
        overlay(
            id_="sync-waiting",
            title="Shoppers waiting for an answer",
            alt="; ".join(f"{label}: at most {run.figures.peak_waiting}" for label, run in curves),
            unit="",
            curves=[(label, run, list(run.series.waiting)) for label, run in curves],
        ),
        overlay(
            id_="sync-lost",
            title="Orders lost per second, mean of the last five seconds",
            alt="; ".join(f"{label}: {words.rate(rush_of(run).lost_per_second)} in the rush" for label, run in curves),
            unit="/s",
            curves=[(label, run, smoothed(run, run.series.rejected, seconds=5)) for label, run in curves],
        ),
    ]
    table = Table(caption="Synchronous runs", heads=heads, rows=[row for run in runs for row in _rows(run)])
    notes = [
        (
            "Paid/s counts the answers that came within the phase; where it begins and ends, up to one order per"
            " payment slot"
            " falls to either side. Possible: capacity ÷ payment time."
        )
    ]
    return Answer(id="sync", question=QUESTION, paragraphs=paragraphs, tables=[table], charts=charts, notes=notes)
