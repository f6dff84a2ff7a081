"""Runs that were tampered with, each in one way, for the checks to catch."""

from collections.abc import Callable
from dataclasses import replace

from load.analysis.checks import validate
from load.records import Charge, Order, RunRecords
from load.scenario import Scenario

Tamper = Callable[[RunRecords], RunRecords]


def failed(scenario: Scenario, records: RunRecords) -> set[str]:
    """The checks that caught it."""
    return {check.name for check in validate(scenario, records) if not check.holds}


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
