"""A sale is data: when it is, and how many orders it brings. What is made ready for it follows from these."""

from dataclasses import dataclass

from troposphere import And, Equals, FindInMap, Not, Or, Parameter, Template

from cloudformation.parameters.kinds import add_choice, add_text

SALE_RATES = (100, 200, 500, 1000, 2000, 5000)
# What a task of the smallest size takes with room to spare; it manages about three times as many.
ORDERS_PER_TASK = 100
# As many as MinimumApiTasks may ask for at most, so that a sale never lowers them.
LEAST_API_TASKS = 10
# A capacity unit of the load balancer is 25 new connections a second; it reserves no fewer than a hundred.
CONNECTIONS_PER_UNIT = 25
LEAST_UNITS = 100
# A table on demand is ready for 4,000 writes a second and 12,000 reads; an order with a key makes up to four writes,
# and as many in the index. One figure for all rates from WARM_FROM on: what a table was warmed to cannot be lowered.
WARM_WRITES = 4 * max(SALE_RATES)
WARM_READS = 12_000
WARM_FROM = 2000
_MOMENT = "20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"


@dataclass(frozen=True, kw_only=True)
class SaleParameters:
    """The choices, what is looked up by them, and the conditions, whose names end in `_on`."""

    start: Parameter
    end: Parameter
    orders_per_second: Parameter
    sale_on: str
    warm_on: str

    @property
    def api_tasks(self) -> FindInMap:
        """The fewest API tasks while the sale lasts."""
        return FindInMap("Sale", self.orders_per_second.ref(), "ApiTasks")

    @property
    def balancer_units(self) -> FindInMap:
        """The capacity units that the load balancer keeps."""
        return FindInMap("Sale", self.orders_per_second.ref(), "BalancerUnits")


def sale_api_tasks(orders_per_second: int) -> int:
    """The fewest API tasks for that many orders a second."""
    return max(LEAST_API_TASKS, orders_per_second // ORDERS_PER_TASK)


def add_sale_parameters(template: Template) -> SaleParameters:
    """Add the choices, the map and the conditions."""
    start, end = (
        add_text(
            template,
            title,
            pattern=_MOMENT,
            why=why,
            otherwise="must be a time of UTC like 2027-11-26T08:50:00",
        )
        for title, why in (
            ("SaleStart", "From when tasks for a sale run, in UTC: ten minutes before its first order; empty for none"),
            ("SaleEnd", "Until when they run at least; what is left in the queue then is worked off all the same"),
        )
    )
    orders_per_second = add_choice(
        template, "SaleOrdersPerSecond", SALE_RATES, Description="Orders a second that the sale brings at most"
    )
    template.add_mapping("Sale", {str(rate): _prepared(rate) for rate in SALE_RATES})
    sale_on = template.add_condition("HasSale", Not(Equals(start.ref(), "")))
    large = Or(*(Equals(orders_per_second.ref(), str(rate)) for rate in SALE_RATES if rate >= WARM_FROM))
    return SaleParameters(
        start=start,
        end=end,
        orders_per_second=orders_per_second,
        sale_on=sale_on,
        warm_on=template.add_condition("HasLargeSale", And({"Condition": sale_on}, large)),
    )


def _prepared(orders_per_second: int) -> dict[str, int]:
    # Every order over a connection of its own.
    units = -(-orders_per_second // CONNECTIONS_PER_UNIT)
    return {"ApiTasks": sale_api_tasks(orders_per_second), "BalancerUnits": max(LEAST_UNITS, units)}
