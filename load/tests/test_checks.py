"""Every check must catch the run that was tampered with, and leave the honest run alone."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from load.analysis.checks import littles_law, validate
from load.records import Charge, Ending, Order, RunRecords
from load.scenario import Arm, Phase, Scenario
from load.scenario_files import SCENARIOS, load_scenarios
from load.tests.synthetic import synthetic_run

Tamper = Callable[[RunRecords], RunRecords]


def failed(scenario: Scenario, records: RunRecords) -> set[str]:
    return {check.name for check in validate(scenario, records) if not check.ok}


def test_honest_runs_are_valid() -> None:
    for name in ("demo.toml", "lab.toml"):
        for scenario in load_scenarios(SCENARIOS / name, quick=True).scenarios:
            if not scenario.is_open_loop or scenario.is_limited:
                assert failed(scenario, synthetic_run(scenario)) == set(), scenario.name


def lose_an_order(run: RunRecords) -> RunRecords:
    return replace(run, orders=run.orders[1:])


def forget_an_order_in_processing(run: RunRecords) -> RunRecords:
    stuck = Order(order_id=run.orders[0].order_id, status="processing")
    return replace(run, orders=[stuck, *run.orders[1:]])


def invent_an_order(run: RunRecords) -> RunRecords:
    return replace(run, orders=[*run.orders, replace(run.orders[0], order_id="ord_stranger")])


def complete_before_sending(run: RunRecords) -> RunRecords:
    early = replace(run.orders[0], completed_at=run.started - 5)
    return replace(run, orders=[early, *run.orders[1:]])


def charge_twice(run: RunRecords) -> RunRecords:
    again = replace(run.charges[0], charge_id="ch_again")
    return replace(run, charges=[*run.charges, again])


def use_a_charge_for_two_orders(run: RunRecords) -> RunRecords:
    other = replace(run.charges[1], charge_id=run.charges[0].charge_id)
    return replace(run, charges=[run.charges[0], other, *run.charges[2:]])


def drop_a_charge(run: RunRecords) -> RunRecords:
    return replace(run, charges=run.charges[1:])


def charge_what_was_declined(run: RunRecords) -> RunRecords:
    declined = replace(run.orders[0], status="declined")
    return replace(run, orders=[declined, *run.orders[1:]])


def answer_the_same_order_twice(run: RunRecords) -> RunRecords:
    return replace(run, requests=[*run.requests, run.requests[0]])


def leave_a_dead_letter(run: RunRecords) -> RunRecords:
    return replace(run, ending=replace(run.ending, dead_letters=1))


def hide_a_backlog(run: RunRecords) -> RunRecords:
    return replace(run, ending=replace(run.ending, queued=3))


def miscount_at_the_api(run: RunRecords) -> RunRecords:
    return replace(run, ending=replace(run.ending, server_accepted=(run.ending.server_accepted or 0) + 1))


def miscount_rejections(run: RunRecords) -> RunRecords:
    return replace(run, ending=replace(run.ending, server_rejected=(run.ending.server_rejected or 0) + 5))


def pay_faster_than_possible(run: RunRecords) -> RunRecords:
    start = run.started

    def squeeze(moment: float) -> float:
        return start + (moment - start) * 0.8

    charges = [
        replace(one, started_at=squeeze(one.started_at), finished_at=squeeze(one.finished_at)) for one in run.charges
    ]
    orders = [replace(one, completed_at=squeeze(one.completed_at)) for one in run.orders]
    return replace(run, charges=charges, orders=orders)


def pay_more_at_once_than_slots(run: RunRecords) -> RunRecords:
    crowd: list[Charge] = [
        replace(one, started_at=run.started + 1.0, finished_at=run.started + 1.5) for one in run.charges[:5]
    ]
    return replace(run, charges=[*crowd, *run.charges[5:]])


def invent_requests(run: RunRecords) -> RunRecords:
    extra = [
        replace(one, order_id="", status=503, due=one.due + 0.01, sent=one.sent + 0.01) for one in run.requests[::3]
    ]
    return replace(run, requests=[*run.requests, *extra])


def slow_the_answers(run: RunRecords) -> RunRecords:
    return replace(run, requests=[replace(one, done=one.done + 0.5) for one in run.requests])


def shorten_the_payments(run: RunRecords) -> RunRecords:
    charges = [
        replace(one, finished_at=one.started_at + 0.3 * (one.finished_at - one.started_at)) for one in run.charges
    ]
    return replace(run, charges=charges)


def stretch_a_payment(run: RunRecords) -> RunRecords:
    long = replace(run.charges[0], finished_at=run.charges[0].finished_at + 6)
    return replace(run, charges=[long, *run.charges[1:]])


def move_completions(run: RunRecords, seconds: float) -> RunRecords:
    return replace(run, orders=[replace(one, completed_at=one.completed_at + seconds) for one in run.orders])


def complete_later(run: RunRecords) -> RunRecords:
    return move_completions(run, 1.0)


def complete_before_paying(run: RunRecords) -> RunRecords:
    return move_completions(run, -0.1)


def complete_one_much_later(run: RunRecords) -> RunRecords:
    late = replace(run.orders[0], completed_at=run.orders[0].completed_at + 8)
    return replace(run, orders=[late, *run.orders[1:]])


def send_after_creating(run: RunRecords) -> RunRecords:
    return replace(run, requests=[replace(one, sent=one.sent + 0.02, due=one.due + 0.02) for one in run.requests])


def answer_before_creating(run: RunRecords) -> RunRecords:
    return replace(run, requests=[replace(one, done=one.sent - 0.05) for one in run.requests])


def pay_before_creating(run: RunRecords) -> RunRecords:
    early = replace(run.charges[0], started_at=run.charges[0].started_at - 1)
    return replace(run, charges=[early, *run.charges[1:]])


def halve_the_latencies(run: RunRecords) -> RunRecords:
    return replace(run, requests=[replace(one, done=(one.sent + one.done) / 2) for one in run.requests])


def double_the_latencies(run: RunRecords) -> RunRecords:
    return replace(run, requests=[replace(one, done=2 * one.done - one.sent) for one in run.requests])


def shrink_the_depth(run: RunRecords) -> RunRecords:
    return replace(
        run, samples=[replace(one, visible=int(0.8 * one.visible), in_flight=one.in_flight) for one in run.samples]
    )


def keep_every_third_sample(run: RunRecords) -> RunRecords:
    return replace(run, samples=run.samples[::3])


def stop_sampling_early(run: RunRecords) -> RunRecords:
    return replace(run, samples=run.samples[:-8])


def lose_all_samples(run: RunRecords) -> RunRecords:
    return replace(run, samples=[])


def forget_cold_starts(run: RunRecords) -> RunRecords:
    return replace(run, cold_starts=[])


def forget_half_the_invocations(run: RunRecords) -> RunRecords:
    return replace(run, invocations=run.invocations[::2])


def bill_less(run: RunRecords) -> RunRecords:
    return replace(run, invocations=[replace(one, billed_seconds=0.5 * one.billed_seconds) for one in run.invocations])


def invoke_at_another_time(run: RunRecords) -> RunRecords:
    return replace(run, invocations=[replace(one, at=one.at - 5) for one in run.invocations])


def invoke_too_often(run: RunRecords) -> RunRecords:
    return replace(run, invocations=[*run.invocations, *run.invocations])


def hide_the_depth(run: RunRecords) -> RunRecords:
    return replace(run, samples=[replace(one, visible=0) for one in run.samples])


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


def test_checks_without_a_witness_are_left_out(queue_scenario: Scenario, queue_run: RunRecords) -> None:
    ending = Ending(at=queue_run.ending.at, queued=0, server_accepted=None)
    names = {check.name for check in validate(queue_scenario, replace(queue_run, ending=ending, samples=[]))}
    assert "counts" not in names
    assert "depth" not in names


def test_littles_law_of_totals() -> None:
    assert littles_law(users=20, seconds=60, requests=141, response=8.2, think=0.3)
    assert not littles_law(users=20, seconds=60, requests=1203, response=8.2, think=0.3)


def test_a_rate_that_could_not_be_measured_is_not_called_nought(queue_scenario: Scenario) -> None:
    idle = queue_scenario.model_copy(update={"workers": 35})
    check = next(one for one in validate(idle, synthetic_run(idle)) if one.name == "capacity")
    assert check.ok
    assert check.detail.startswith("the slots were never all busy for a whole turn, 35 ÷ 0.5 s")
