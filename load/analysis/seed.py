"""What the seed gives the shoppers of a scenario: what they order, and how long they think."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from load.records import Request
from load.scenario import Scenario
from load.traffic.baskets import Baskets, Customer
from local.catalogue import CATALOGUE


def customers(scenario: Scenario) -> Callable[[int, int], Customer]:
    """Of a seed and a number: that shopper of the scenario, before the first order."""
    baskets = Baskets.of_products(scenario.ordered_products, CATALOGUE)
    think = None if scenario.is_open_loop else scenario.think_seconds
    return lambda seed, number: Customer(number, seed=seed, baskets=baskets, think=think)


def thinking(scenario: Scenario) -> Callable[[int, int], Callable[[], float]]:
    """Of a seed and a number: how long that shopper thinks, each time anew."""
    shopper = customers(scenario)

    def of_one(seed: int, number: int) -> Callable[[], float]:
        customer = shopper(seed, number)

        def think() -> float:
            customer.order()
            return customer.think_seconds

        return think

    return of_one


def drawn(scenario: Scenario, sent: Sequence[Request]) -> Iterator[tuple[Request, float, list[dict[str, Any]]]]:
    """Every request beside the thinking time and the items that the seed gives its shopper."""
    shopper = customers(scenario)
    by_user: dict[int, list[Request]] = defaultdict(list)
    for request in sorted(sent, key=lambda one: one.sent):
        by_user[request.user].append(request)
    for user, requests in by_user.items():
        customer = shopper(scenario.seed, user)
        for request in requests:
            items = customer.order()["items"]
            yield request, customer.think_seconds, items
