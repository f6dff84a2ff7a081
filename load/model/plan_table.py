"""A plan as sections of rows: for a terminal, or in Markdown for a meeting."""

from collections.abc import Sequence
from dataclasses import dataclass

from load.model.limits import Limit
from load.model.planner import BACKLOG_PER_TASK, WORKERS_FOR_THE_WAIT, WORKERS_TO_KEEP_UP, Plan
from load.model.poisson import POISSON_MARGIN
from load.model.prices import Prices
from load.model.reconciliation import Reading

Row = tuple[str, ...]
_MIDDLE = (False, True, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table under its title, with sentences below it; `numbers` says of each column whether it holds numbers.

    headed: whether a terminal shows the heads, which Markdown cannot do without.
    """

    title: str
    heads: Row
    numbers: Sequence[bool]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    headed: bool = False


def sections(plan: Plan, prices: Prices) -> list[Section]:
    """What a plan answers, what stands in its way, what to give to the template, and what it costs."""
    month = plan.month
    return [
        Section(title=_title(plan), heads=("question", "answer", "how"), numbers=_MIDDLE, rows=_answers(plan)),
        _limits(plan),
        Section(
            title=f"For the template ({_refused(plan)})",
            heads=("parameter", "value"),
            numbers=(False, True),
            rows=_parameters(plan),
        ),
        Section(
            title="What the template holds with them",
            heads=("template", "value", ""),
            numbers=_MIDDLE,
            rows=_template(plan),
            notes=[f"note: {note}" for note in plan.template.notes],
        ),
        Section(
            title=f"Cost of a month with {month.orders:,} orders, {month.sale.orders:,} of them in the sale"
            f" ({prices.region}, prices of {prices.as_of})",
            heads=("arm", "ordinary days", "the sale", "month", "per confirmed order"),
            numbers=(False, True, True, True, True),
            headed=True,
            rows=_costs(plan),
            notes=_cost_notes(plan),
        ),
        _readings("Which assumption makes which number of workers", "workers", plan.worker_readings),
        _readings("From how many orders a month functions cost more than a processor", "orders", plan.break_evens),
    ]


def plan_table(plan: Plan, prices: Prices) -> str:
    """The plan in plain text."""
    return "\n".join(_text(section) for section in sections(plan, prices))


def plan_markdown(plan: Plan, prices: Prices) -> str:
    """The plan in Markdown."""
    return "\n".join(_markdown(section) for section in sections(plan, prices))


def _text(section: Section) -> str:
    rows = [*([section.heads] if section.headed else []), *section.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(("", *map(_aligned, row, widths, section.numbers))).rstrip() for row in rows]
    return "\n".join((section.title, "", *lines, *(f"  {note}" for note in section.notes), ""))


def _aligned(text: str, width: int, number: bool) -> str:  # noqa: FBT001 - a column's
    return f"{text:>{width}}" if number else f"{text:<{width}}"


def _markdown(section: Section) -> str:
    rules = tuple("---:" if number else "---" for number in section.numbers)
    lines = ["| " + " | ".join(row) + " |" for row in (section.heads, rules, *section.rows)]
    notes = [line for note in section.notes for line in ("", note)]
    return "\n".join((f"## {section.title}", "", *lines, *notes, ""))


def _title(plan: Plan) -> str:
    sale = plan.sale
    return (
        f"Sale: {sale.rate:,g} orders/s for {sale.burst:,.12g} s = {sale.orders:,} orders, payment {sale.payment:g} s, "
        f"confirmed within {sale.wait:,.12g} s"
    )


def _answers(plan: Plan) -> list[Row]:
    by_name = {formula.name: formula.expression for formula in plan.formulas}
    split = f"{plan.tasks:,} × {plan.sale.workers_per_task}"
    return [
        ("workers needed", f"{plan.workers_needed:,}", by_name[WORKERS_FOR_THE_WAIT]),
        ("tasks", f"{plan.tasks:,}", f"{split} workers = {plan.workers:,}"),
        ("API tasks", f"{plan.api_tasks:,}", "that take the orders and are busy half of the time"),
        ("to keep up without a queue", f"{plan.workers_to_keep_up:,}", by_name[WORKERS_TO_KEEP_UP]),
        ("can settle per second", f"{plan.settle_rate:,.2f}", ""),
        ("peak backlog", f"{plan.peak_backlog:,}", "orders accepted and not yet terminal, at the last order"),
        (
            "last customer's wait",
            f"{plan.last_wait:.1f} s",
            f"evenly spaced; 95 % of Poisson sales add ≤ {plan.poisson_margin:.2f} s ({by_name[POISSON_MARGIN]})",
        ),
        ("drained after the sale", f"{plan.drain:.1f} s", ""),
        ("begin the sale with", _tasks(plan.tasks), _unscaled(plan)),
        ("backlog per task target", f"{plan.backlog_per_task_target:,}", by_name[BACKLOG_PER_TASK]),
    ]


def _limits(plan: Plan) -> Section:
    first = plan.limits[0]
    binding = [limit for limit in plan.limits if limit.binds]
    remedies = [f"{limit.name}: {limit.remedy}" for limit in binding]
    reached = f"{first.name}, at {first.rate(plan.sale.rate):,.0f} orders/s"
    return Section(
        title="What stands in its way" if binding else f"Nothing stands in its way; what binds first: {reached}",
        heads=("limit", "needed", "there are", "holds up to", ""),
        numbers=(False, True, True, True, False),
        headed=True,
        rows=[_limit(plan, limit) for limit in plan.limits],
        notes=[*remedies, "Of AWS, what an account in us-east-1 begins with; preflight asks for yours."],
    )


def _limit(plan: Plan, limit: Limit) -> Row:
    return (
        limit.name,
        f"{limit.needed:,.12g}",
        f"{limit.available:,.12g}",
        f"{limit.rate(plan.sale.rate):,.0f} orders/s",
        "BINDS" if limit.binds else "",
    )


def _refused(plan: Plan) -> str:
    if plan.template_holds:
        return "--overrides prints these for a deployment"
    return "its nearest; --overrides and --json refuse them, for they break the wait"


def _tasks(number: int) -> str:
    return f"{number:,} task" if number == 1 else f"{number:,} tasks"


def _template(plan: Plan) -> list[Row]:
    """What the parameters really give, beside what the plan needs."""
    held = plan.template
    need = f"{held.workers:,} workers, {plan.workers_needed:,} needed"
    return [
        ("at most", _tasks(held.max_tasks), f"GatewayCapacity ÷ Workers; {need}"),
        ("begins the sale with", _tasks(held.first_tasks), _beginning(plan) if held.max_tasks > 1 else ""),
        ("last customer's wait", f"{plan.template_last_wait:,.1f} s", _verdict(plan)),
    ]


def _beginning(plan: Plan) -> str:
    if plan.template.scheduled:
        return "all of them, from SaleStart to SaleEnd"
    if plan.template.begins_scaled:
        return "all of them, until PreScale=false is deployed"
    return "autoscaling adds the others"


def _verdict(plan: Plan) -> str:
    if plan.template_holds:
        return "with all of its tasks"
    return f"TOO LONG for {plan.sale.wait:g} s: the template cannot hold this sale"


def _parameters(plan: Plan) -> list[Row]:
    return [(name, str(value)) for name, value in plan.template.parameters]


def _unscaled(plan: Plan) -> str:
    run = plan.unscaled
    if run is None:
        return ""
    beyond = "more than " if run.drained_at is None else ""
    return f"from one task, autoscaling would let the worst wait grow to {beyond}{run.worst_wait:,.0f} s"


def _costs(plan: Plan) -> list[Row]:
    return [
        (
            cost.arm,
            f"${cost.ordinary.total:,.2f}",
            f"${cost.sale:,.2f}",
            f"${cost.month.total:,.2f}",
            f"${cost.month.per_confirmed_order:.6f}" if cost.month.per_confirmed_order else "",
        )
        for cost in plan.costs
    ]


def _cost_notes(plan: Plan) -> list[str]:
    month, rate = plan.month, plan.sale.rate
    confirmed = [f"{month.confirmed_share(of):.1%}" for of in (rate, month.ordinary_rate)]
    batches = [f"{month.batch(of):.1f}" for of in (rate, month.ordinary_rate)]
    places = f"{month.places:,} payments at once"
    tasks = f"{_tasks(month.tasks)} of the processor, {month.api_tasks:,} of the API"
    return [
        f"sync makes {places}: it confirms {confirmed[0]} of the sale's orders, {confirmed[1]} of the others.",
        f"lambda-sqs takes {batches[0]} orders in an invocation in the sale, {batches[1]} on ordinary days.",
        f"The sale's tasks run from ten minutes before it until it is drained: {tasks}. Other days run what they need.",
    ]


def _readings(title: str, of: str, readings: Sequence[Reading]) -> Section:
    rows = [("never" if one.value is None else f"{one.value:,}", one.assumption) for one in readings]
    return Section(title=title, heads=(of, "if"), numbers=(True, False), rows=rows)
