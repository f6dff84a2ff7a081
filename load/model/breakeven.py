"""From how many orders a month on one arm costs more than another, and the seed's own comparison corrected."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from load.model.costs import Arm, Assumptions, monthly_cost
from load.model.prices import FreeKey, PriceKey, Prices

_LIMIT = 10**10
_MILLION = Decimal(1_000_000)
_PIECE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """`orders` is the least number at which `grows` costs at least as much as `stays`; None: not below 10¹⁰.

    `by_formula` solves the two straight lines around it: (F_stays - F_grows) ÷ (v_grows - v_stays).
    """

    grows: str
    stays: str
    orders: int | None
    by_formula: Decimal | None
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedComparison:
    """Two tasks at $8.50 a month against Lambda at 512 MB and 3 s; orders a month, each with its formula."""

    fixed: Decimal
    free_orders: Decimal
    free_orders_formula: str
    break_even: Decimal
    break_even_formula: str
    break_even_without_free_tier: Decimal
    without_free_tier_formula: str
    left_out: str


def break_even(grows: Arm, stays: Arm, prices: Prices, assumptions: Assumptions | None = None) -> BreakEven:
    """The orders a month from which arm `grows` is no longer the cheaper one, by bisection and by formula."""
    assumed = assumptions or Assumptions()

    def dearer_by(orders: int) -> Decimal:
        return monthly_cost(grows, orders, prices, assumed).total - monthly_cost(stays, orders, prices, assumed).total

    orders = least_reaching_zero(dearer_by)
    if orders is None or orders == 0:
        always = "already at 0" if orders == 0 else f"nowhere below {_LIMIT:,}"
        return BreakEven(grows=grows, stays=stays, orders=orders, by_formula=None, formula=f"{always} orders")
    slope_grows, fixed_grows = _straight_line(grows, orders, prices, assumed)
    slope_stays, fixed_stays = _straight_line(stays, orders, prices, assumed)
    solved = (fixed_stays - fixed_grows) / (slope_grows - slope_stays) if slope_grows != slope_stays else None
    formula = f"(${fixed_stays:.4f} - ${fixed_grows:.4f}) ÷ (${slope_grows:.10f} - ${slope_stays:.10f}) per order"
    return BreakEven(grows=grows, stays=stays, orders=orders, by_formula=solved, formula=formula)


def least_reaching_zero(difference: Callable[[int], Decimal], *, limit: int = _LIMIT) -> int | None:
    """The least n in [0, limit] with difference(n) ≥ 0, by bisection; the sign must change at most once."""
    if difference(0) >= 0:
        return 0
    if difference(limit) < 0:
        return None
    below, reached = 0, limit
    while reached - below > 1:
        middle = (below + reached) // 2
        if difference(middle) >= 0:
            reached = middle
        else:
            below = middle
    return reached


def seed_comparison(prices: Prices, *, task_price: Decimal = Decimal("8.50"), tasks: int = 2) -> SeedComparison:
    """The seed's arithmetic at its own prices: (fixed ÷ p + 400,000 GB-s) ÷ 1.5 while requests are free."""
    fixed = task_price * tasks
    per_order = Decimal("0.5") * 3
    gb_second = prices.price[PriceKey.LAMBDA_X86].amount
    request = prices.price[PriceKey.LAMBDA_REQUESTS].amount / _MILLION
    free_gb, free_requests = prices.free[FreeKey.LAMBDA_GB_SECONDS], prices.free[FreeKey.LAMBDA_REQUESTS]
    variable = per_order * gb_second
    reached = (fixed / gb_second + free_gb) / per_order
    formula = f"(${fixed} ÷ ${gb_second} + {free_gb:,f} GB-s) ÷ {per_order} GB-s"
    if reached > free_requests:
        # Requests cost something too before the fixed price is reached.
        reached = (fixed + free_gb * gb_second + free_requests * request) / (variable + request)
        formula = (
            f"(${fixed} + {free_gb:,f} GB-s × ${gb_second} + {free_requests:,f} × ${request:f}) "
            f"÷ ({per_order} GB-s × ${gb_second} + ${request:f})"
        )
    return SeedComparison(
        fixed=fixed,
        free_orders=free_gb / per_order,
        free_orders_formula=f"{free_gb:,f} GB-s ÷ {per_order} GB-s",
        break_even=reached,
        break_even_formula=formula,
        break_even_without_free_tier=fixed / (variable + request),
        without_free_tier_formula=f"${fixed} ÷ ({per_order} GB-s × ${gb_second} + ${request:f})",
        left_out="the load balancer, the NAT gateway, the API's tasks of the Lambda arm, billed INIT, "
        "queue, topic, tables and logs",
    )


def _straight_line(arm: Arm, orders: int, prices: Prices, assumed: Assumptions) -> tuple[Decimal, Decimal]:
    """Slope and intercept of the piece of the bill that ends at `orders`."""
    before = max(0, orders - _PIECE)
    high = monthly_cost(arm, orders, prices, assumed).total
    slope = (high - monthly_cost(arm, before, prices, assumed).total) / (orders - before)
    return slope, high - slope * orders
