"""Limited stock in one run: what counters, ledger, payment provider and shoppers say of each product."""

from collections import Counter
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from load.analysis.percentiles import Percentiles, percentiles
from load.analysis.timeline import lives
from load.records import CHARGED, LIMIT_REACHED, RunRecords, StockSample
from load.scenario import Scenario

UNAVAILABLE = 503


class StockFigures(BaseModel):
    """What became of the units, over all limited products.

    `sold` are completed orders of one unit each, `oversold` those beyond what there was of their product, `left` what
    is available at the end. `sold_out` and `limit_reached` count refusals that lost nobody an order, `lost` all others.
    `sold_out_answer` is the latency of the refusals, `sold_out_after` the time of the first one since the beginning.
    """

    model_config = ConfigDict(frozen=True)

    units: int
    sold: int
    oversold: int
    left: int
    reserved: int
    sold_out: int
    limit_reached: int
    lost: int
    sold_out_answer: Percentiles | None
    sold_out_after: float | None


@dataclass(frozen=True, kw_only=True)
class Sale:
    """One limited product: how many there were, and what each witness says became of them.

    `taken` are accepted orders, `unsold` those that ended without a sale and `open` those that have not ended.
    `told` counts "sold out", `refused` every other refusal, `uncertain` those of them that may still be an order.
    `level` is the last sample of its counters.
    """

    product: str
    units: int
    taken: int
    unsold: int
    open: int
    completed: int
    charged: int
    told: int
    refused: int
    uncertain: int
    level: StockSample | None

    @property
    def left(self) -> int:
        """What the counters say is for sale at the end."""
        return self.level.available if self.level is not None else 0

    @property
    def sold(self) -> int:
        """The most that a witness calls sold: the ledger, the payment provider, the counters."""
        return max(self.completed, self.charged, self.level.sold if self.level is not None else 0)

    @property
    def oversold(self) -> int:
        """Units sold that there were not."""
        return max(0, self.sold - self.units)


def sales(scenario: Scenario, records: RunRecords) -> list[Sale]:
    """Every product that was ordered and could be sold out."""
    ordered = scenario.ordered_products if scenario.is_limited else ()
    # An order whose answer never came is in the ledger without a shopper who could say what it was.
    unknown = ordered[0] if len(ordered) == 1 else ""
    product_of = {request.order_id: request.product for request in records.requests if request.order_id}
    accepted = lives(records)
    completed = Counter(product_of.get(one.order_id, unknown) for one in records.orders if one.status == "completed")
    charged = Counter(product_of.get(one.order_id, unknown) for one in records.charges if one.status == CHARGED)
    last = {sample.product: sample for sample in sorted(records.stock, key=lambda sample: sample.at)}
    found = []
    for product in ordered:
        mine = [life for life in accepted if product_of[life.order_id] == product]
        refused = [one for one in records.requests if one.product == product and not one.is_accepted]
        others = [one for one in refused if not one.is_sold_out]
        found.append(
            Sale(
                product=product,
                units=scenario.stock[product],
                taken=len(mine),
                unsold=sum(life.ended is not None and life.status != "completed" for life in mine),
                open=sum(life.ended is None for life in mine),
                completed=completed[product],
                charged=charged[product],
                told=len(refused) - len(others),
                refused=len(others),
                uncertain=sum(one.status == 0 or (one.status == UNAVAILABLE and one.order_id != "") for one in others),
                level=last.get(product),
            )
        )
    return found


def stock_figures(scenario: Scenario, records: RunRecords) -> StockFigures | None:
    """The figures of a run with limited stock; None for any other."""
    found = sales(scenario, records)
    if not found:
        return None
    told = [request for request in records.requests if request.is_sold_out]
    return StockFigures(
        units=sum(sale.units for sale in found),
        sold=sum(sale.completed for sale in found),
        oversold=sum(sale.oversold for sale in found),
        left=sum(sale.left for sale in found),
        reserved=sum(sale.level.reserved for sale in found if sale.level is not None),
        sold_out=len(told),
        limit_reached=sum(request.problem == LIMIT_REACHED for request in records.requests),
        lost=sum(request.is_lost for request in records.requests),
        sold_out_answer=percentiles([request.latency_seconds for request in told]),
        sold_out_after=min([request.done - records.started for request in told], default=None),
    )
