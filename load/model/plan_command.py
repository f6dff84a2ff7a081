"""`python -m load plan`: the planner on the command line."""

import argparse
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from load.model.costs import Assumptions
from load.model.intake import ORDERS_PER_VCPU
from load.model.plan_document import plan_document
from load.model.plan_table import plan_markdown, plan_table
from load.model.planner import Plan, plan
from load.model.prices import Prices, PricesError, load_prices
from load.model.sale import PlanError
from load.model.template_parameters import WORKERS

Add = Callable[..., argparse.Action]
_BAD_INPUT = 2
_REFUSES = "exits 2 without any if the template cannot hold the sale"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; argparse itself answers an unreadable number with the option's name and exit 2."""
    _add_sale(parser.add_argument)
    _add_shop(parser.add_argument)
    _add_costs(parser.add_argument)
    _add_output(parser)


def _add_sale(number: Add) -> None:
    number("--rate", type=_above_zero, required=True, metavar="ORDERS/S", help="orders per second during the sale")
    number("--payment", type=_above_zero, required=True, metavar="S", help="seconds that one payment takes")
    number(
        "--wait", type=_above_zero, required=True, metavar="S", help="longest acceptable wait, order to confirmation"
    )
    number("--burst", type=_above_zero, required=True, metavar="S", help="length of the sale in seconds")
    number(
        "--start",
        type=_moment,
        metavar="TIME",
        help="when the first order comes, such as 2027-11-27T09:00:00 (UTC unless it says otherwise): "
        "the template then gets the sale's date and rate",
    )


def _add_shop(number: Add) -> None:
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
        "--orders-per-vcpu",
        type=_above_zero,
        default=ORDERS_PER_VCPU,
        metavar="ORDERS/S",
        help="orders per second that keep one vCPU of the API busy, as measured (%(default)s)",
    )


def _add_costs(number: Add) -> None:
    number(
        "--orders-per-month",
        type=_whole(0),
        metavar="N",
        help="for the costs: ordinary days and sale together; by default the sale alone",
    )
    number(
        "--architecture", choices=("arm64", "x86_64"), default="arm64", help="CPU of tasks and function (%(default)s)"
    )
    number("--no-free-tier", action="store_true", help="price without what AWS gives free each month")
    number("--prices", type=Path, metavar="FILE", help="another price list than the one of load/model/prices.toml")


def _add_output(parser: argparse.ArgumentParser) -> None:
    as_what = parser.add_mutually_exclusive_group()
    as_what.add_argument("--markdown", action="store_true", help="print the plan in Markdown, for a meeting")
    as_what.add_argument(
        "--json", action="store_true", help=f"print the plan with the template's `parameters`; {_REFUSES}"
    )
    as_what.add_argument(
        "--overrides",
        action="store_true",
        help=f"print only the template's parameters, Key=Value, for a deployment; {_REFUSES}",
    )


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
            orders_per_vcpu=args.orders_per_vcpu,
            start=args.start,
            prices=prices,
            assumptions=replace(Assumptions(), architecture=args.architecture, free_tier=not args.no_free_tier),
        )
    except PlanError as exc:
        return _refuse("--" + exc.parameter.replace("_", "-"), exc.reason)
    return _print(found, prices, args)


def _print(found: Plan, prices: Prices, args: argparse.Namespace) -> int:
    if args.json or args.overrides:
        return _print_parameters(found, as_json=args.json)
    sys.stdout.write(plan_markdown(found, prices) if args.markdown else plan_table(found, prices))
    return 0


def _print_parameters(found: Plan, *, as_json: bool) -> int:
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
    told = json.dumps(plan_document(found), indent=2) if as_json else " ".join(settings.overrides())
    sys.stdout.write(told + "\n")
    return 0


def _refuse(option: str, reason: str) -> int:
    sys.stderr.write(f"error: argument {option}: {reason}\n")
    return _BAD_INPUT


def _above_zero(text: str) -> float:
    value = _number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a time like 2027-11-27T09:00:00, not {text!r}") from None


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
