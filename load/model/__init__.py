"""Predicts, plans and prices: pure functions of a scenario, without a clock or a network.

Start at `predict` (a scenario before it runs), `plan` (how many workers), `simulate_autoscaling` and
`replay_schedule` (an hour of a sale), `monthly_cost` and `break_even` (what it costs).
"""

from load.model.autoscaling import (
    AutoscalingRun,
    Control,
    Fleet,
    Moment,
    Profile,
    TargetTracking,
    replay_schedule,
    simulate_autoscaling,
)
from load.model.breakeven import BreakEven, SeedComparison, break_even, seed_comparison
from load.model.costs import ARMS, Arm, Assumptions, Cost, CostLine, monthly_cost
from load.model.explanation import SETTLED_PER_SECOND
from load.model.formulas import Formula
from load.model.planner import Plan, plan
from load.model.prediction import TOLERANCE, Prediction, deviation, predict
from load.model.prices import FreeKey, Price, PriceKey, Prices, PricesError, load_prices
from load.model.published import PUBLISHED, PUBLISHED_CLAIMS, Claim, PublishedFigure, impossible
from load.model.reconciliation import LABORATORY_OVERHEAD_SECONDS, UTILISATION, workers_to_keep_up
from load.model.sale import PlanError, Sale
from load.model.sale_figures import SaleFigures, SaleRates, sale_figures, sale_rates
from load.model.shop import Burst, ClosedLoop, Environments, OpenLoop, Shop, Slots
from load.model.template_parameters import TemplateSettings
from load.model.waits import Waits, percentile

__all__ = [
    "ARMS",
    "LABORATORY_OVERHEAD_SECONDS",
    "PUBLISHED",
    "PUBLISHED_CLAIMS",
    "SETTLED_PER_SECOND",
    "TOLERANCE",
    "UTILISATION",
    "Arm",
    "Assumptions",
    "AutoscalingRun",
    "BreakEven",
    "Burst",
    "Claim",
    "ClosedLoop",
    "Control",
    "Cost",
    "CostLine",
    "Environments",
    "Fleet",
    "Formula",
    "FreeKey",
    "Moment",
    "OpenLoop",
    "Plan",
    "PlanError",
    "Prediction",
    "Price",
    "PriceKey",
    "Prices",
    "PricesError",
    "Profile",
    "PublishedFigure",
    "Sale",
    "SaleFigures",
    "SaleRates",
    "SeedComparison",
    "Shop",
    "Slots",
    "TargetTracking",
    "TemplateSettings",
    "Waits",
    "break_even",
    "deviation",
    "impossible",
    "load_prices",
    "monthly_cost",
    "percentile",
    "plan",
    "predict",
    "replay_schedule",
    "sale_figures",
    "sale_rates",
    "seed_comparison",
    "simulate_autoscaling",
    "workers_to_keep_up",
]
