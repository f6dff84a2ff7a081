"""What the report says must follow from its runs."""

from collections.abc import Callable

import pytest

from load.analysis.checks import Check
from load.analysis.predicted import PredictedValue
from load.analysis.results import Results, RunResult
from load.model import load_prices
from load.report import words
from load.report.answers import Table, filled
from load.report.console import row
from load.report.markdown import markdown
from load.report.markup import table, text
from load.report.study import answers
from load.report.verdict import customers_lost, scale_note, verdict
from load.scenario import Arm

Make = Callable[[list[RunResult], str], Results]


def broken(run: RunResult) -> RunResult:
    failed = Check(name="charges", title="Charges match", ok=False, detail="1 too few")
    return run.model_copy(update={"valid": False, "checks": [*run.checks, failed]})


def test_an_invalid_run_is_marked_and_answers_nothing(make_results: Make, lab_runs: list[RunResult]) -> None:
    runs = [broken(run) if run.scenario.name == "ecs:100" else run for run in lab_runs]
    results = make_results(runs, "lab")
    assert row(next(run for run in runs if not run.valid))[0] == "ecs:100 (INVALID)"
    assert verdict(results)[0] == "ecs:100 is INVALID and answers nothing: it fails “Charges match”."
    told = [answer for answer in answers(results, load_prices()) if answer.id in {"growth", "workers"}]
    assert len(told) == 2
    assert not any("20 workers (for 100)" in cell for answer in told for cell in _cells(answer.tables[0].rows))


def _cells(rows: list[tuple[str, ...]]) -> list[str]:
    return [cell for one in rows for cell in one]


def test_the_text_names_what_is_missing(make_results: Make, lab_runs: list[RunResult]) -> None:
    results = make_results([broken(lab_runs[0]), *lab_runs[1:]], "lab").model_copy(
        update={"unfinished": ["ecs:20"], "failures": {"ecs:20": "boom\nand a log"}}
    )
    text = markdown(results, answers(results, load_prices()))
    assert "**INVALID, PARTIAL**" in text
    assert "| ecs:20 | boom |" in text


def test_the_text_says_that_time_is_scaled(make_results: Make, lab_runs: list[RunResult]) -> None:
    results = make_results(lab_runs, "lab")
    note = scale_note(results)
    assert "(payment: 600 ms for 3.00 s; " in note
    assert "not scaled in ecs:1, ecs:planned" in note
    assert "1.00 s for 3.00 s in lambda, lambda-sqs" in note
    assert note in markdown(results, [])


@pytest.mark.parametrize("arm", list(Arm))
def test_every_finished_run_has_something_to_say(arm: Arm, make_results: Make, lab_runs: list[RunResult]) -> None:
    runs = [run for run in lab_runs if run.scenario.arm is arm]
    for run in runs:
        assert "No run was finished" not in " ".join(verdict(make_results([run], "lab"))), run.scenario.name


def test_every_answer_opens_with_one_sentence(make_results: Make, lab_runs: list[RunResult]) -> None:
    found = answers(make_results(lab_runs, "lab"), load_prices())
    assert len(found) >= 9
    for answer in found:
        assert answer.lead.endswith("."), answer.id
        assert ". " not in answer.lead, answer.id
        assert 0 < len(answer.short) < 16


def test_an_extrapolated_drain_is_marked_beside_its_prediction(make_results: Make, lab_runs: list[RunResult]) -> None:
    value = PredictedValue(
        name="drain", unit="s", predicted=100.0, measured=110.0, deviation=0.1, ok=True, extrapolated=True
    )
    unknown = PredictedValue(name="confirmation, p50", unit="s", predicted=9.0, measured=None, deviation=None, ok=None)
    run = lab_runs[-1].model_copy(update={"predictions": [value, unknown]})
    found = next(one for one in answers(make_results([run], "lab"), load_prices()) if one.id == "predicted")
    assert found.lead.startswith("1 of 1 predictions are within 10 %")
    assert "1 could not be measured" in found.paragraphs[0]
    assert [line[2] for line in found.tables[1].rows] == ["≈ 1 min 50 s", words.NOTHING]


def test_a_loss_is_never_rounded_to_nothing() -> None:
    assert [words.loss(value) for value in (0.0, 0.01, 2.2, 31.04, 100.0)] == [
        "0 %",
        "0.1 %",
        "2.2 %",
        "31.1 %",
        "100 %",
    ]


@pytest.mark.parametrize(("payment", "said"), [(3.0, "No: a cold start by itself takes"), (0.2, "Yes, for the order")])
def test_whether_cold_starts_matter_is_said_beside_the_true_payment(
    make_results: Make, lab_runs: list[RunResult], payment: float, said: str
) -> None:
    # A tenth of a second beside the scaled payment of 0.6 s would be more than a tenth.
    runs = [
        run.model_copy(update={"scenario": run.scenario.model_copy(update={"stands_for_payment_seconds": payment})})
        for run in lab_runs
    ]
    told = {answer.id: answer for answer in answers(make_results(runs, "lab"), load_prices())}["cold"]
    assert told.lead.startswith(said)
    assert f"of a payment of {words.seconds(payment)}" in told.lead


def test_a_payment_that_is_not_scaled_is_said_beside_its_row(make_results: Make, lab_runs: list[RunResult]) -> None:
    found = {answer.id: answer for answer in answers(make_results(lab_runs, "lab"), load_prices())}
    for name in ("growth", "workers"):
        firsts = [row[0] for row in found[name].tables[0].rows]
        assert firsts[0] == "1 worker, payment 3.00 s (not scaled)"
        assert "1 worker (for 5)" in firsts
    changes = "3 tasks at 2 s, 5 tasks at 13 s; in the true run 3 tasks at 20 s, 6 tasks at 60 s, 2 tasks at 90 s"
    assert changes in found["scaling"].paragraphs[0]


def cold_words(make_results: Make, run: RunResult, seconds: float) -> str:
    """What is said of a run whose burst was confirmed within so many seconds, and within one second when warm."""
    cold, warm = run.figures.phases[-2:]
    confirmation = warm.confirmation
    assert confirmation is not None
    phases = [
        *run.figures.phases[:-2],
        cold.model_copy(update={"confirmation": confirmation.model_copy(update={"p50": seconds}), "cold_starts": 2}),
        warm.model_copy(update={"confirmation": confirmation.model_copy(update={"p50": 1.0}), "cold_starts": 0}),
    ]
    figures = run.figures.model_copy(update={"phases": phases})
    results = make_results([run.model_copy(update={"figures": figures})], "lab")
    return next(one for one in answers(results, load_prices()) if one.id == "cold").paragraphs[0]


def test_a_cold_start_that_added_nothing_is_said_to_have_added_nothing(
    make_results: Make, lab_runs: list[RunResult]
) -> None:
    run = next(one for one in lab_runs if one.scenario.name == "lambda")
    assert "(5 orders, 2 cold starts) 1.50 s, 500 ms or 50 % more" in cold_words(make_results, run, 1.5)
    for as_fast in (1.001, 0.98):
        assert cold_words(make_results, run, as_fast).endswith("ms, no more." if as_fast < 1 else "s, no more.")


def test_a_shop_that_left_nobody_without_an_order_says_so_plainly(lab_runs: list[RunResult]) -> None:
    figures = lab_runs[0].figures.model_copy(update={"customers": 20, "customers_lost": 0})
    assert customers_lost(figures) == "of 20 customers none was left without an order"
    lost = figures.model_copy(update={"customers_lost": 6})
    assert customers_lost(lost) == "of 20 customers 6 got no order at all"


def test_a_scaled_experiment_claims_no_comparison_with_published_figures(
    make_results: Make, lab_runs: list[RunResult]
) -> None:
    unscaled = [
        run.model_copy(update={"scenario": run.scenario.model_copy(update={"stands_for_payment_seconds": None})})
        for run in lab_runs
    ]
    scaled, true = (
        {answer.id: answer for answer in answers(make_results(runs, "lab"), load_prices())}["published"]
        for runs in (lab_runs, unscaled)
    )
    assert "are to be compared with a full run" in scaled.lead
    assert scaled.tables[0].heads == ("scenario", "figure", "published")
    assert "stand beside ours" in true.lead
    assert true.tables[0].heads[-1] == "here"


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    rows = [("a", "–", "1", ""), ("b", "–", "–", "")]
    kept = filled(Table(caption="", heads=("run", "true run", "drain", "remark"), rows=rows))
    assert (kept.heads, kept.rows) == (("run", "drain"), [("a", "1"), ("b", "–")])


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("20 shoppers, 95 % of them within 3 slots", "20 shoppers, 95~% of them within 3 slots"),
        ("gone ≈ 2 min 5 s after it", "gone ≈~2~min~5~s after it"),
        ("12 / 34 / 56 ms", "12~/~34~/~56~ms"),
        ("5 × 1.14 s", "5~×~1.14~s"),
        ("3 h 13 min, 12 <ms", "3~h~13~min, 12 &lt;ms"),
    ],
)
def test_no_line_ends_within_a_figure(said: str, kept: str) -> None:
    assert text(said).replace("\N{NO-BREAK SPACE}", "~") == kept


def test_words_begin_at_the_left_of_their_column_and_long_names_may_wrap() -> None:
    made = table("", ("run", "shop", "drain"), [("sync:naive:1", "naive", "1 s"), ("ecs", "–", "2 s")])
    assert '<th scope="col" class="word">shop</th><th scope="col">drain</th>' in made
    assert made.count('<td class="word">') == 2
    assert ">sync:<wbr>naive:<wbr>1</th>" in made


def test_no_row_contradicts_itself(lab_runs: list[RunResult], demo_runs: list[RunResult]) -> None:
    for run in [*lab_runs, *demo_runs]:
        figures = run.figures
        assert figures.accepted + figures.rejected == figures.offered
        assert figures.completed + figures.backlog_at_end == figures.accepted
        assert figures.peak_backlog or figures.drain_seconds == 0, run.scenario.name
        assert figures.drain_is_extrapolated == (figures.backlog_at_end > 0)
        assert figures.customers_lost <= min(figures.customers, figures.rejected)
