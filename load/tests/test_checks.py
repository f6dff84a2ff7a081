"""Every check must catch the run that was tampered with, and leave the honest run alone."""

from dataclasses import replace

import pytest

from load.analysis.checks import littles_law, validate
from load.records import RunRecords
from load.scenario import Arm, Phase, Scenario
from load.scenario_files import SCENARIOS, load_scenarios
from load.tests.synthetic import synthetic_run
from load.tests.tampering import (
    Tamper,
    answer_before_creating,
    answer_the_same_order_twice,
    bill_less,
    charge_twice,
    charge_what_was_declined,
    complete_before_paying,
    complete_before_sending,
    complete_later,
    complete_one_much_later,
    double_the_latencies,
    drop_a_charge,
    forget_an_order_in_processing,
    forget_cold_starts,
    forget_half_the_invocations,
    halve_the_latencies,
    hide_a_backlog,
    hide_the_depth,
    invent_an_order,
    invent_requests,
    invoke_at_another_time,
    invoke_too_often,
    keep_every_third_sample,
    leave_a_dead_letter,
    lose_all_samples,
    lose_an_order,
    miscount_at_the_api,
    miscount_rejections,
    pay_before_creating,
    pay_faster_than_possible,
    pay_more_at_once_than_slots,
    send_after_creating,
    shorten_the_payments,
    shrink_the_depth,
    slow_the_answers,
    stop_sampling_early,
    stretch_a_payment,
    use_a_charge_for_two_orders,
)


def failed(scenario: Scenario, records: RunRecords) -> set[str]:
    return {check.name for check in validate(scenario, records) if not check.ok}


def test_honest_runs_are_valid() -> None:
    for name in ("demo.toml", "lab.toml"):
        for scenario in load_scenarios(SCENARIOS / name, quick=True).scenarios:
            if not scenario.is_open_loop or scenario.is_limited:
                assert failed(scenario, synthetic_run(scenario)) == set(), scenario.name


@pytest.mark.parametrize(
    ("tamper", "check"),
    [
        (lose_an_order, "conservation"),
        (lose_an_order, "charges"),
        (forget_an_order_in_processing, "conservation"),
        (invent_an_order, "conservation-always"),
        (complete_before_sending, "conservation-always"),
        (charge_twice, "charged-once"),
        (use_a_charge_for_two_orders, "charged-once"),
        (drop_a_charge, "charges"),
        (charge_what_was_declined, "charges"),
        (answer_the_same_order_twice, "charged-once"),
        (leave_a_dead_letter, "dead-letters"),
        (hide_a_backlog, "conservation"),
        (miscount_at_the_api, "counts"),
        (miscount_rejections, "counts"),
        (shorten_the_payments, "payments-last"),
        (stretch_a_payment, "payments-last"),
        (pay_faster_than_possible, "payments-last"),
        (complete_later, "recorded"),
        (complete_before_paying, "recorded"),
        (complete_one_much_later, "recorded"),
        (send_after_creating, "placed"),
        (answer_before_creating, "placed"),
        (pay_before_creating, "placed"),
        (pay_faster_than_possible, "capacity"),
        (pay_more_at_once_than_slots, "capacity"),
        (invent_requests, "little"),
        (slow_the_answers, "little"),
        (hide_the_depth, "depth"),
        (halve_the_latencies, "next-order"),
        (double_the_latencies, "next-order"),
        (shrink_the_depth, "depth"),
        (keep_every_third_sample, "samples"),
        (stop_sampling_early, "samples"),
        (lose_all_samples, "samples"),
    ],
)
def test_a_tampered_run_is_caught(queue_scenario: Scenario, queue_run: RunRecords, tamper: Tamper, check: str) -> None:
    assert check in failed(queue_scenario, tamper(queue_run))


def function_scenario(arm: Arm) -> Scenario:
    return Scenario(
        name=arm.value,
        title="A function per order, or per batch",
        arm=arm,
        payment_seconds=0.5,
        phases=(Phase(name="flash", users=12, seconds=6),),
    )


@pytest.mark.parametrize("arm", [Arm.LAMBDA, Arm.LAMBDA_SQS])
@pytest.mark.parametrize(
    ("tamper", "check"),
    [
        (forget_cold_starts, "environments"),
        (bill_less, "invocations"),
        (invoke_at_another_time, "invocations"),
        (invoke_too_often, "invocations"),
        (shorten_the_payments, "payments-last"),
        (complete_before_paying, "recorded"),
    ],
)
def test_a_tampered_run_of_a_function_is_caught(arm: Arm, tamper: Tamper, check: str) -> None:
    scenario = function_scenario(arm)
    run = synthetic_run(scenario)
    assert failed(scenario, run) == set()
    assert check in failed(scenario, tamper(run))


def test_an_invocation_pays_one_order_only() -> None:
    scenario = function_scenario(Arm.LAMBDA)
    assert "invocations" in failed(scenario, forget_half_the_invocations(synthetic_run(scenario)))


def test_the_depth_of_a_queue_before_a_function_is_checked() -> None:
    scenario = function_scenario(Arm.LAMBDA_SQS)
    run = synthetic_run(scenario)
    empty = replace(run, samples=[replace(one, visible=0, in_flight=0) for one in run.samples])
    assert "depth" in failed(scenario, empty)


def test_a_small_share_missing_from_every_depth_shows_in_the_average() -> None:
    scenario = Scenario(
        name="ecs:slow",
        title="A long queue",
        arm=Arm.ECS,
        workers=2,
        payment_seconds=0.5,
        phases=(Phase(name="flash", users=60, seconds=6),),
        drain_limit_seconds=60,
    )
    run = synthetic_run(scenario)
    assert failed(scenario, run) == set()
    fewer = [replace(one, visible=round(0.92 * one.visible)) for one in run.samples]
    check = next(one for one in validate(scenario, replace(run, samples=fewer)) if one.name == "depth")
    assert not check.ok
    assert "the average is" in check.detail


def test_an_answer_before_the_completion_it_reports_is_caught(sync_scenario: Scenario, sync_run: RunRecords) -> None:
    assert "placed" in failed(sync_scenario, halve_the_latencies(sync_run))


def test_an_idle_phase_does_not_hide_an_excess_in_the_rush(sync_scenario: Scenario) -> None:
    idle = Phase(name="idle", users=1, seconds=20)
    scenario = sync_scenario.model_copy(update={"phases": (idle, *sync_scenario.phases), "think_seconds": (4.0, 5.0)})
    run = synthetic_run(scenario)
    assert failed(scenario, run) == set()
    rush = run.phases[1].started

    def squeeze(moment: float) -> float:
        return moment if moment < rush else rush + (moment - rush) * 0.9

    fast = replace(run, orders=[replace(one, completed_at=squeeze(one.completed_at)) for one in run.orders])
    assert "capacity" in failed(scenario, fast)


def test_more_shoppers_than_there_are_is_caught(sync_scenario: Scenario, sync_run: RunRecords) -> None:
    crowd = [replace(one, user=99, order_id=f"{one.order_id}x") for one in sync_run.requests[:3]]
    tampered = replace(sync_run, requests=[*sync_run.requests, *crowd])
    assert {"closed-loop", "little"} & failed(sync_scenario, tampered)


def test_a_backlog_may_only_be_left_when_the_run_was_cut_short(queue_scenario: Scenario) -> None:
    short = queue_scenario.model_copy(update={"drain_limit_seconds": 5.0})
    run = synthetic_run(short)
    assert failed(short, run) == set()
    pretended = replace(run, ending=replace(run.ending, stopped_early=False))
    assert "conservation" in failed(short, pretended)


def test_an_unanswered_request_may_have_been_counted_either_way(
    queue_scenario: Scenario, queue_run: RunRecords
) -> None:
    lost = replace(queue_run.requests[0], status=0, order_id="", reason="ConnectionError")
    requests = [lost, *queue_run.requests[1:]]
    assert "counts" not in failed(queue_scenario, replace(queue_run, requests=requests))


def test_a_check_without_a_witness_is_left_out(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    names = {check.name for check in validate(queue_scenario, replace(queue_run, samples=[]))}
    assert "depth" not in names


def test_a_run_of_the_lambda_arm_that_was_cut_short_says_what_to_do() -> None:
    scenario = load_scenarios(SCENARIOS / "lab.toml").only(["lambda"]).scenarios[0]
    records = synthetic_run(scenario)
    last = max(records.orders, key=lambda order: order.completed_at)
    cut = replace(
        records,
        orders=[order for order in records.orders if order is not last],
        charges=[charge for charge in records.charges if charge.order_id != last.order_id],
        ending=replace(records.ending, stopped_early=True),
    )
    check = next(one for one in validate(scenario, cut) if one.name == "conservation")
    assert not check.ok
    assert "cut short by drain_limit_seconds, where no witness counts what is left" in check.detail


def test_littles_law_of_totals() -> None:
    assert littles_law(users=20, seconds=60, requests=141, response=8.2, think=0.3)
    assert not littles_law(users=20, seconds=60, requests=1203, response=8.2, think=0.3)


def test_a_rate_that_could_not_be_measured_is_not_called_nought(queue_scenario: Scenario) -> None:
    idle = queue_scenario.model_copy(update={"workers": 40})
    check = next(one for one in validate(idle, synthetic_run(idle)) if one.name == "capacity")
    assert check.ok
    assert check.detail.startswith("the slots were never all busy for a whole turn, 40 ÷ 0.5 s")
