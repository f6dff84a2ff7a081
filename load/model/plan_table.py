"""A plan as a table to read in a terminal."""

from collections.abc import Sequence

from load.model.planner import Plan
from load.model.poisson import POISSON_MARGIN
from load.model.prices import Prices

Row = tuple[str, str, str]


def plan_table(plan: Plan, prices: Prices) -> str:
    """The plan in plain text: what it answers, what it costs, what to give to the template."""
    sections = [
        _title(plan),
        _columns(_answers(plan)),
        _title_line(f"For the template ({_json(plan)})"),
        _columns(_overrides(plan)),
        _title_line("What the template holds with them"),
        _columns(_template(plan)),
        *(f"  note: {note}" for note in plan.template.notes),
        _title_line(
            f"Cost of a month with {plan.orders_per_month:,} orders ({prices.region}, prices of {prices.as_of})"
        ),
        _columns(_costs(plan)),
    ]
    return "\n".join(sections) + "\n"


def _title(plan: Plan) -> str:
    sale = plan.sale
    return (
        f"Sale: {sale.rate:g} orders/s for {sale.burst:g} s = {sale.orders:,} orders, payment {sale.payment:g} s, "
        f"confirmed within {sale.wait:g} s\n"
    )


def _title_line(text: str) -> str:
    return f"\n{text}\n"


def _answers(plan: Plan) -> list[Row]:
    by_name = {formula.name: formula.expression for formula in plan.formulas}
    split = f"{plan.tasks} × {plan.workers_per_task}"
    return [
        ("workers needed", f"{plan.workers_needed:,}", by_name["workers for the wait"]),
        ("tasks", f"{plan.tasks:,}", f"{split} workers = {plan.workers:,}"),
        ("to keep up without a queue", f"{plan.workers_to_keep_up:,}", by_name["workers to keep up"]),
        ("can settle per second", f"{plan.settle_rate:.2f}", ""),
        ("peak backlog", f"{plan.peak_backlog:,}", "orders accepted and not yet terminal, at the last order"),
        (
            "last customer's wait",
            f"{plan.last_wait:.1f} s",
            f"evenly spaced; 95 % of Poisson sales add ≤ {plan.poisson_margin:.2f} s ({by_name[POISSON_MARGIN]})",
        ),
        ("drained after the sale", f"{plan.drain:.1f} s", ""),
        ("begin the sale with", _tasks(plan.tasks), _unscaled(plan)),
        ("backlog per task target", f"{plan.backlog_per_task_target:,}", by_name["backlog per task target"]),
    ]


def _json(plan: Plan) -> str:
    if plan.template_holds:
        return "--json prints these for --parameter-overrides"
    return "its nearest; --json refuses them, for they break the wait"


def _tasks(number: int) -> str:
    return f"{number:,} task" if number == 1 else f"{number:,} tasks"


def _template(plan: Plan) -> list[Row]:
    """What the parameters really give, beside what the plan needs."""
    held = plan.template
    begins = "all of them, until PreScale=false is deployed" if held.pre_scale else "autoscaling adds the others"
    return [
        ("at most", _tasks(held.max_tasks), f"GatewayCapacity ÷ Workers; {_of_need(plan)}"),
        ("begins the sale with", _tasks(held.first_tasks), begins if held.max_tasks > 1 else ""),
        ("last customer's wait", f"{plan.template_last_wait:,.1f} s", _verdict(plan)),
    ]


def _of_need(plan: Plan) -> str:
    return f"{plan.template.workers:,} workers, {plan.workers_needed:,} needed"


def _verdict(plan: Plan) -> str:
    if plan.template_holds:
        return "with all of its tasks"
    return f"TOO LONG for {plan.sale.wait:g} s: the template cannot hold this sale"


def _overrides(plan: Plan) -> list[Row]:
    pairs = (override.partition("=") for override in plan.template.overrides())
    return [(name, value, "") for name, _, value in pairs]


def _unscaled(plan: Plan) -> str:
    run = plan.unscaled
    if run is None:
        return ""
    beyond = "more than " if run.drained_at is None else ""
    return f"from one task, autoscaling would let the worst wait grow to {beyond}{run.worst_wait:,.0f} s"


def _costs(plan: Plan) -> list[Row]:
    rows: list[Row] = [
        (
            cost.arm,
            f"${cost.total:,.2f}",
            f"${cost.per_confirmed_order:.6f} per confirmed order" if cost.per_confirmed_order else "",
        )
        for cost in plan.costs
    ]
    even = plan.lambda_break_even
    reached = f"{even.orders:,}" if even.orders is not None else "never"
    return [*rows, ("lambda costs more than ecs from", f"{reached} orders", even.formula)]


def _columns(rows: Sequence[Row]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = (f"  {row[0]:<{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]}".rstrip() for row in rows)
    return "\n".join(lines)
