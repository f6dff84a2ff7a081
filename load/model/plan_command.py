"""`python -m load plan`: the planner on the command line."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from load.model.costs import Assumptions
from load.model.plan_table import plan_table
from load.model.planner import Plan, plan
from load.model.prices import PricesError, load_prices
from load.model.sale import PlanError
from load.model.template_parameters import WORKERS

_BAD_INPUT = 2
_JSON_HELP = (
    "print only the template parameters, for --parameter-overrides; "
    "exits 2 without any if the template cannot hold the sale"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; argparse itself answers an unreadable number with the option's name and exit 2."""
    number = parser.add_argument
    number("--rate", type=_above_zero, required=True, metavar="ORDERS/S", help="orders per second during the sale")
    number("--payment", type=_above_zero, required=True, metavar="S", help="seconds that one payment takes")
    number(
        "--wait", type=_above_zero, required=True, metavar="S", help="longest acceptable wait, order to confirmation"
    )
    number("--burst", type=_above_zero, required=True, metavar="S", help="length of the sale in seconds")
    number(
        "--overhead",
        type=_not_negative,
        default=0.015,
        metavar="S",
        help="a slot's time beside the payment (%(default)s)",
    )
    number("--workers-per-task", type=int, choices=WORKERS, default=100, help="workers in one task (%(default)s)")
    number(
        "--gateway-capacity",
        type=_whole(0),
        default=0,
        metavar="N",
        help="payments the provider takes at once, 0 = unlimited (%(default)s)",
    )
    number(
        "--orders-per-month", type=_whole(0), metavar="N", help="for the costs; by default the orders of this one sale"
    )
    number(
        "--architecture", choices=("arm64", "x86_64"), default="arm64", help="CPU of tasks and function (%(default)s)"
    )
    number("--no-free-tier", action="store_true", help="price without what AWS gives free each month")
    number("--prices", type=Path, metavar="FILE", help="another price list than the one of load/model/prices.toml")
    number("--json", action="store_true", help=_JSON_HELP)


def run(args: argparse.Namespace) -> int:
    """Print the plan; returns 0, or 2 after a message that names the option or template parameter at fault."""
    try:
        prices = load_prices(args.prices)
    except PricesError as exc:
        return _refuse("--prices", str(exc))
    try:
        found = plan(
            rate=args.rate,
            payment=args.payment,
            wait=args.wait,
            burst=args.burst,
            overhead=args.overhead,
            workers_per_task=args.workers_per_task,
            gateway_capacity=args.gateway_capacity,
            orders_per_month=args.orders_per_month,
            prices=prices,
            assumptions=replace(Assumptions(), architecture=args.architecture, free_tier=not args.no_free_tier),
        )
    except PlanError as exc:
        return _refuse("--" + exc.parameter.replace("_", "-"), exc.reason)
    if args.json:
        return _print_overrides(found)
    sys.stdout.write(plan_table(found, prices))
    return 0


def _print_overrides(found: Plan) -> int:
    """Parameters that break the promised wait are not handed to a deployment; the table shows them nevertheless."""
    settings = found.template
    if not found.template_holds:
        sys.stderr.write(
            f"error: GatewayCapacity: the template's {settings.gateway_capacity} feeds {settings.workers:,} workers, "
            f"the sale needs {found.workers_needed:,}: its last customer would wait {found.template_last_wait:,.0f} s, "
            f"not {found.sale.wait:g} s\n"
        )
        return _BAD_INPUT
    for note in settings.notes:
        sys.stderr.write(f"note: {note}\n")
    sys.stdout.write(json.dumps(settings.overrides(), indent=2) + "\n")
    return 0


def _refuse(option: str, reason: str) -> int:
    sys.stderr.write(f"error: argument {option}: {reason}\n")
    return _BAD_INPUT


def _above_zero(text: str) -> float:
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def _not_negative(text: str) -> float:
    value = _number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, not {text}")
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}")
    return value


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} up, not {text!r}")
        return value

    return parse
