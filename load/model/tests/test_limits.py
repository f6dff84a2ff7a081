"""What a sale runs into is found, and told with what to do about it."""

from load.model import plan
from load.model.limits import Limit
from load.model.planner import Plan


def limit(found: Plan, name: str) -> Limit:
    return next(one for one in found.limits if one.name == name)


def test_the_limit_that_binds_at_the_lowest_rate_comes_first() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600)
    rates = [one.rate(60) for one in found.limits]
    assert rates == sorted(rates)
    assert not any(one.binds for one in found.limits)


def test_each_limit_binds_where_it_is_crossed_and_not_below() -> None:
    for one in plan(rate=60, payment=3, wait=60, burst=3600).limits:
        at = one.rate(60) / 60
        assert Limit(name="", needed=1.01 * at * one.needed, available=one.available, remedy="").binds
        assert not Limit(name="", needed=0.99 * at * one.needed, available=one.available, remedy="").binds


def test_a_provider_that_takes_less_is_asked_for_what_is_needed() -> None:
    found = plan(rate=60, payment=3, wait=60, burst=3600, gateway_capacity=190)
    payments = limit(found, "payments at once")
    assert (payments.needed, payments.available) == (179, 190)
    assert payments.remedy == "ask the payment provider for 179 payments at once"


def test_a_sale_of_many_short_payments_runs_into_topic_and_table() -> None:
    found = plan(rate=40_000, payment=0.01, wait=60, burst=3600)
    binding = {one.name for one in found.limits if one.binds}
    assert {"messages/s to the topic", "table writes/s", "API tasks", "vCPUs of Fargate"} <= binding
    assert "40,000 a second" in limit(found, "messages/s to the topic").remedy
    assert "160,000 writes" in limit(found, "table writes/s").remedy


def test_functions_at_once_follow_from_littles_law() -> None:
    found = plan(rate=400, payment=3, wait=60, burst=3600, overhead=0)
    assert limit(found, "functions at once (lambda)").needed == 1200
    assert limit(found, "functions at once (lambda)").remedy.startswith("ask for quota L-B99A9384")
    assert limit(found, "functions at once (lambda-sqs)").needed == 120


def test_more_orders_per_vcpu_take_fewer_tasks() -> None:
    slow, quick = (
        plan(rate=3000, payment=3, wait=60, burst=60, orders_per_vcpu=per_vcpu).api_tasks for per_vcpu in (600, 2400)
    )
    assert (slow, quick) == (40, 10)
