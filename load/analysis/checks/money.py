"""Money: what was charged is the price of what was ordered, and nobody pays for a refusal."""

from load.analysis.checks.check import Check, make_check, shown
from load.analysis.seed import drawn
from load.records import CHARGED, PAID, TERMINAL, RunRecords
from load.scenario import Scenario
from local.catalogue import load_catalogue

# How no order of any scenario may end; whether “sold out” was true is for the checks of the stock.
UNPLANNED = (TERMINAL | PAID) - {"completed", "sold_out"}


def amounts_agree(scenario: Scenario, records: RunRecords) -> Check:
    """The ledger's amount is the catalogue's price of the drawn items; the provider charged it, under the same id."""
    prices = {product.product_id: product.unit_price_minor for product in load_catalogue()}
    orders = {order.order_id: order for order in records.orders}
    wrong = [
        request.order_id
        for request, _, items in drawn(scenario, records.requests)
        if request.order_id in orders
        and orders[request.order_id].total_minor != sum(prices[one["product_id"]] * one["quantity"] for one in items)
    ]
    for charge in records.charges:
        order = orders.get(charge.order_id)
        if order is None or charge.status != CHARGED:
            continue
        if charge.amount_minor != order.total_minor or order.charge_id not in {"", charge.charge_id}:
            wrong.append(charge.order_id)
        if order.status == "completed" and order.charge_id != charge.charge_id:
            wrong.append(charge.order_id)
    detail = f"{len(records.charges)} charges" + (f"; not so: {shown(sorted(set(wrong)))}" if wrong else "")
    title = "Charged = the price of what was ordered, under the ledger's charge id"
    return make_check("amounts", title, detail, ok=not wrong)


def declines_as_configured(_scenario: Scenario, records: RunRecords) -> Check:
    """No scenario lets the provider decline or fail, and no shopper cancels: an order that had a unit is completed."""
    declined = [charge.order_id for charge in records.charges if charge.status != CHARGED]
    ended = [order.order_id for order in records.orders if order.status in UNPLANNED]
    detail = f"{len(declined)} charges did not succeed, {len(ended)} orders ended otherwise than paid, none was to"
    return make_check("declines", "As many declines and failures as configured", detail, ok=not declined and not ended)


def refused_yet_charged(_scenario: Scenario, records: RunRecords) -> Check | None:
    """Orders that the provider charged although their shopper was refused: a finding about the shop, not the run."""
    accepted = {request.order_id for request in records.requests if request.is_accepted}
    refused = sum(not request.is_accepted for request in records.requests)
    if not refused:
        return None
    paid = sorted({one.order_id for one in records.charges if one.status == CHARGED} - accepted)
    detail = f"{refused} refused" + (f"; charged all the same: {shown(paid)}" if paid else ", none of them charged")
    found = make_check("refused-charged", "Nobody was charged for a refused order", detail, ok=not paid)
    return found.model_copy(update={"is_finding": True})
