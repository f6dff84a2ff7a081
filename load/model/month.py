"""What a month with a sale costs: its ordinary days by themselves, and what the sale adds to them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from load.model.costs import ARMS, SECONDS_PER_MONTH, Arm, Assumptions, Cost, SaleTasks, monthly_cost, tasks_needed
from load.model.formulas import invocation_batch
from load.model.prices import Prices
from load.model.sale import Sale

# So long before its first order the tasks of a sale are started.
LEAD_SECONDS = 600
BATCH_SIZE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCost:
    """One arm's bill: `ordinary` without the sale, `month` with it; what is free goes to the ordinary days first."""

    ordinary: Cost
    month: Cost

    @property
    def arm(self) -> Arm:
        return self.month.arm

    @property
    def sale(self) -> Decimal:
        """What the sale adds."""
        return self.month.total - self.ordinary.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A month of `orders`, those of the sale among them.

    tasks, api_tasks: that run in the sale, from LEAD_SECONDS before it until it is drained, `drain` seconds after it;
    places: payments at once, by which synchronous orders and functions are bounded too; `ordinary` is what other days
    take.
    """

    sale: Sale
    orders: int
    tasks: int
    api_tasks: int
    drain: float
    places: int
    ordinary: Assumptions

    @property
    def ordinary_orders(self) -> int:
        """The orders of all other days."""
        return self.orders - self.sale.orders

    @property
    def ordinary_rate(self) -> float:
        """Orders/s outside of the sale, spread over the month."""
        return self.ordinary_orders / max(1.0, float(SECONDS_PER_MONTH) - self.sale.burst)

    def batch(self, rate: float) -> float:
        """Orders in one invocation of lambda-sqs at that rate."""
        return invocation_batch(rate=rate, service=self.sale.service, places=self.places, most=BATCH_SIZE)

    def confirmed_share(self, rate: float) -> float:
        """Of synchronous orders at that rate: the provider's places ÷ payment time is the most; the rest is refused."""
        return min(1.0, self.places / self.sale.payment / rate) if rate else 1.0

    def cost(self, arm: Arm, prices: Prices) -> MonthCost:
        """The bill of one arm."""
        return MonthCost(
            ordinary=monthly_cost(arm, self.ordinary_orders, prices, self._ordinary(arm)),
            month=monthly_cost(arm, self.orders, prices, self._with_sale(arm)),
        )

    def costs(self, prices: Prices) -> tuple[MonthCost, ...]:
        """The bills of all arms."""
        return tuple(self.cost(arm, prices) for arm in ARMS)

    def _ordinary(self, arm: Arm) -> Assumptions:
        batch = Decimal(str(round(self.batch(self.ordinary_rate), 6)))
        share = self.confirmed_share(self.ordinary_rate) if arm == "sync" else 1.0
        return replace(self.ordinary, orders_per_invocation=batch, confirmed_share=Decimal(str(round(share, 6))))

    def _with_sale(self, arm: Arm) -> Assumptions:
        hours = Decimal(str(round((LEAD_SECONDS + self.sale.burst + self.drain) / 3600, 6)))
        invocations = self._sum(lambda rate: 1 / self.batch(rate))
        confirmed = self._sum(self.confirmed_share) / self.orders if arm == "sync" and self.orders else 1.0
        return replace(
            self.ordinary,
            orders_per_invocation=Decimal(str(round(self.orders / invocations, 6))),
            confirmed_share=Decimal(str(round(confirmed, 6))),
            sale=SaleTasks(
                orders=self.sale.orders,
                hours=hours,
                api_tasks=max(0, self.api_tasks - self.ordinary.api_tasks),
                processor_tasks=max(0, self.tasks - tasks_needed(self.ordinary_orders, self.ordinary)),
            ),
        )

    def _sum(self, each: Callable[[float], float]) -> float:
        """Of every order of the month, by the rate of its day."""
        return self.ordinary_orders * each(self.ordinary_rate) + self.sale.orders * each(self.sale.rate)
