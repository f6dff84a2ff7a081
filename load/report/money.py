"""What it costs: per confirmed order, per month, and where the lines cross."""

from dataclasses import replace
from decimal import Decimal

from load.analysis.results import Results
from load.model import ARMS, Assumptions, Prices, break_even, monthly_cost
from load.report import words
from load.report.answers import Answer, Table, runs_of, shop_runs
from load.report.charts import Chart, Line, Mark
from load.report.lambda_answers import measured_assumptions
from load.report.prose import say
from load.scenario import Arm, Shop

MONTHS = (10_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
COLORS = {"sync": "s6", "ecs": "s2", "lambda": "s5", "lambda-sqs": "s1"}
STEPS_PER_DECADE = 16
LEAST_DOLLARS = 50.0
BEYOND = 1.6
DIFFERENCE_POINTS = 80


def _dollars(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def _cost_rows(prices: Prices, assumed: Assumptions) -> list[tuple[str, ...]]:
    return [
        (f"{orders:,} orders a month", *(_dollars(monthly_cost(arm, orders, prices, assumed).total) for arm in ARMS))
        for orders in MONTHS
    ]


def _confirmed_rows(results: Results, prices: Prices, assumed: Assumptions) -> list[tuple[str, ...]]:
    """Per confirmed order of a month of a million, at the smallest share that a run confirmed of what was offered.

    Of the synchronous arm the naive shop counts: the protected one's refusals are mostly the same shoppers again.
    """
    rows: list[tuple[str, ...]] = []
    for arm in ARMS:
        runs = shop_runs(results, Shop.NAIVE) if arm == "sync" else runs_of(results, Arm(arm))
        figures = [run.figures for run in runs if not run.figures.drain_is_extrapolated]
        if not figures:
            continue
        share = min(round(Decimal(one.completed) / max(1, one.offered), 4) for one in figures)
        cost = monthly_cost(arm, 1_000_000, prices, replace(assumed, confirmed_share=share))
        each = words.NOTHING if cost.per_confirmed_order is None else f"${cost.per_confirmed_order:.6f}"
        rows.append((arm, f"{float(share) * 100:g} %", _dollars(cost.total), each, cost.formula))
    return rows


def _chart(prices: Prices, assumed: Assumptions) -> Chart:
    grid = [10 ** (3 + index / STEPS_PER_DECADE) for index in range(5 * STEPS_PER_DECADE + 1)]
    lines = [
        Line(
            label=arm,
            color=COLORS[arm],
            values=[float(monthly_cost(arm, int(orders), prices, assumed).total) for orders in grid],
        )
        for arm in ARMS
    ]
    return Chart(
        id="money-months",
        title="Dollars a month against orders a month",
        alt="Monthly cost of the four arms from a thousand to a hundred million orders.",
        group="money",
        unit="$",
        x=grid,
        lines=lines,
        x_max=grid[-1],
        y_min=LEAST_DOLLARS,
        log=True,
        x_log=True,
        x_label="orders a month",
        x_unit="",
        height=260,
    )


def difference_chart(prices: Prices, assumed: Assumptions) -> Chart | None:
    """What a month of functions costs more than a month of a processor; where it crosses nothing is the break-even."""
    bare = replace(assumed, free_tier=False)
    evens = {
        "free tier included": (assumed, break_even("lambda", "ecs", prices, assumed).orders),
        "without the free tier": (bare, break_even("lambda", "ecs", prices, bare).orders),
    }
    most = BEYOND * max(even or 0 for _, even in evens.values())
    if not most:
        return None
    grid = [most * index / DIFFERENCE_POINTS for index in range(DIFFERENCE_POINTS + 1)]
    lines = [
        Line(label=label, color=color, values=[_dearer(orders, prices, assumption) for orders in grid])
        for color, (label, (assumption, _)) in zip(("s5", "muted"), evens.items(), strict=True)
    ]
    marks = [Mark(label=f"{even:,}", color="ink", x=even, y=0) for _, even in evens.values() if even]
    return Chart(
        id="money-difference",
        title="Lambda less processor, dollars a month: below nothing, Lambda is the cheaper one",
        alt="; ".join(f"{label}: the same at {even:,} orders a month" for label, (_, even) in evens.items() if even),
        group="difference",
        unit="$",
        x=grid,
        lines=lines,
        marks=[Mark(label="", color="soft", y=0), *marks],
        x_max=most,
        y_min=1.2 * min(value or 0 for line in lines for value in line.values),
        x_label="orders a month",
        x_unit="",
        height=260,
    )


def _dearer(orders: float, prices: Prices, assumed: Assumptions) -> float:
    functions, processor = (monthly_cost(arm, int(orders), prices, assumed).total for arm in ("lambda", "ecs"))
    return float(functions - processor)


def money_answer(results: Results, prices: Prices) -> Answer:
    """The costs, every figure with its formula."""
    assumed = measured_assumptions(results)
    even = break_even("lambda", "ecs", prices, assumed).orders
    return Answer(
        id="money",
        short="Cost",
        lead=say("money.lead", orders=f"{even:,}") if even else say("money.lead_never"),
        question=say("money.question"),
        paragraphs=_paragraphs(prices, assumed),
        tables=_tables(results, prices, assumed),
        charts=[chart for chart in (difference_chart(prices, assumed), _chart(prices, assumed)) if chart],
        notes=[_listed(prices)],
    )


def _listed(prices: Prices) -> str:
    return say("money.listed", as_of=prices.as_of, region=prices.region, currency=prices.currency)


def _paragraphs(prices: Prices, assumed: Assumptions) -> list[str]:
    even = break_even("lambda", "ecs", prices, assumed)
    bare = break_even("lambda", "ecs", prices, replace(assumed, free_tier=False))
    said = [say("money.even", orders=f"{even.orders:,}", formula=even.formula)] if even.orders else []
    if bare.orders:
        said.append(say("money.bare", orders=f"{bare.orders:,}"))
    how = "money.batch_assumed" if assumed.orders_per_invocation == 1 else "money.batch_measured"
    return [*said, say(how, orders=assumed.orders_per_invocation), say("money.shared")]


def _tables(results: Results, prices: Prices, assumed: Assumptions) -> list[Table]:
    heads = ("volume", *ARMS)
    bare = replace(assumed, free_tier=False)
    tables = [
        Table(caption="Dollars a month, free tier included", heads=heads, rows=_cost_rows(prices, assumed)),
        Table(caption="Dollars a month without the free tier", heads=heads, rows=_cost_rows(prices, bare)),
        Table(
            caption="Per confirmed order, a million offered a month, at the smallest share that was confirmed",
            heads=("arm", "confirmed of offered", "a month", "per confirmed order", "formula"),
            rows=_confirmed_rows(results, prices, assumed),
        ),
        Table(
            caption="Every line at 1,000,000 orders a month",
            heads=("item", "formula", "amount", "quantity"),
            rows=[
                (f"{arm}: {line.item}", line.formula, f"${line.amount:.4f}", line.working)
                for arm in ARMS
                for line in monthly_cost(arm, 1_000_000, prices, assumed).lines
            ],
        ),
    ]
    return [table for table in tables if table.rows]
