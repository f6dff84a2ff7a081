"""Limited stock: the counters add up, and nobody sold, held or refused a unit wrongly."""

from itertools import pairwise

from load.analysis.checks.check import Check, make_check, shown
from load.analysis.stock import Sale, sales
from load.analysis.timeline import lives
from load.records import RunRecords, StockSample
from load.scenario import Scenario


def counters_add_up(scenario: Scenario, records: RunRecords) -> Check | None:
    """At every sample each product's counters add up to what there was, none is negative, and nothing is unsold."""
    if not scenario.is_limited:
        return None
    wrong: list[str] = []
    details = []
    for product, units in scenario.stock.items():
        mine = sorted((one for one in records.stock if one.product == product), key=lambda one: one.at)
        if [one.at for one in mine] != sorted(sample.at for sample in records.samples):
            wrong.append(f"{product} has {len(mine)} samples")
        wrong += [f"{_sum(one)} at {one.at - records.started:.0f} s" for one in mine if not _adds_up(one, units)]
        wrong += [f"{later.sold} sold after {one.sold}" for one, later in pairwise(mine) if later.sold < one.sold]
        details += [f"at the end {_sum(mine[-1])}"] if mine else []
    detail = f"{len(records.samples)} samples; {'; '.join(details)}"
    if wrong:
        detail += f"; not so: {shown(wrong)}"
    title = "Stock = available + reserved + sold at every sample, none negative"
    return make_check("stock-sums", title, detail, ok=not wrong)


def _adds_up(sample: StockSample, units: int) -> bool:
    parts = (sample.available, sample.reserved, sample.sold)
    return sample.total == sum(parts) == units and min(parts) >= 0


def _sum(sample: StockSample) -> str:
    return f"{sample.product}: {sample.total} = {sample.available} + {sample.reserved} + {sample.sold}"


def sold_as_counted(scenario: Scenario, records: RunRecords) -> Check | None:
    """Counters, ledger and payment provider agree on what was sold."""
    found = sales(scenario, records)
    if not found:
        return None
    details = [
        f"{sale.product}: {_counted(sale)} sold, {sale.completed} completed, {sale.charged} charged" for sale in found
    ]
    ok = all(_counted(sale) == sale.completed == sale.charged for sale in found)
    title = "Units sold by the counters = completed orders = charges"
    return make_check("stock-sold", title, "; ".join(details), ok=ok)


def _counted(sale: Sale) -> int | None:
    return None if sale.level is None else sale.level.sold


def not_oversold(scenario: Scenario, records: RunRecords) -> Check | None:
    """No witness has more units sold than there were, and no more orders were accepted than could have one."""
    found = sales(scenario, records)
    if not found:
        return None
    ok = all(sale.oversold == 0 and sale.taken - sale.unsold <= sale.units for sale in found)
    details = [
        f"{sale.product}: {sale.sold} sold and {sale.taken - sale.unsold} accepted of {sale.units},"
        f" {sale.oversold} oversold"
        for sale in found
    ]
    return make_check("oversold", "No more was sold or promised than there was", "; ".join(details), ok=ok)


def accepted_keep_their_units(scenario: Scenario, records: RunRecords) -> Check | None:
    """An accepted order has its unit: it is never told afterwards that there is none."""
    if not scenario.is_limited:
        return None
    accepted = lives(records)
    robbed = [life.order_id for life in accepted if life.status == "sold_out"]
    detail = f"{len(accepted)} accepted orders" + (f"; sold out afterwards: {shown(robbed)}" if robbed else "")
    return make_check("stock-kept", "No accepted order was sold out afterwards", detail, ok=not robbed)


def sold_out_is_true(scenario: Scenario, records: RunRecords) -> Check | None:
    """Who was told "sold out" met a shop without a unit for sale; what is left at the end must have come back since.

    One API process sells in every run, so that no unit is idle elsewhere, and each order is one unit: at that moment
    every unit belonged to a request or an order. Units come back from orders that ended unsold and from requests that
    were refused for another reason, one from each.
    """
    found = sales(scenario, records)
    if not found:
        return None
    ok = all(sale.told == 0 or sale.left <= sale.unsold + sale.refused for sale in found)
    return make_check("sold-out", "“Sold out” was said only when nothing was left", "; ".join(map(_told, found)), ok=ok)


def _told(sale: Sale) -> str:
    back = sale.unsold + sale.refused
    return f"{sale.product}: {sale.told} were told so, {sale.left} left at the end, at most {back} had come back"


def nothing_reserved_for_nobody(scenario: Scenario, records: RunRecords) -> Check | None:
    """At the end a unit is reserved for each order that has not ended, and none for nobody."""
    found = sales(scenario, records)
    if not found:
        return None
    ok = all(_reserved_rightly(sale) for sale in found)
    details = [f"{sale.product}: {_reserved(sale)} reserved, {sale.open} accepted orders not ended" for sale in found]
    return make_check("reserved", "No unit stays reserved for nobody", "; ".join(details), ok=ok)


def _reserved(sale: Sale) -> int | None:
    return None if sale.level is None else sale.level.reserved


def _reserved_rightly(sale: Sale) -> bool:
    held = _reserved(sale)
    # An order whose shopper does not know of it may still be open.
    return held is not None and sale.open <= held <= sale.open + sale.uncertain
