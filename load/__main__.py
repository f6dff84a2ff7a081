"""`python -m load`: the demo, the laboratory, the planner, and reports of earlier runs."""

import argparse
import sys
from collections.abc import Callable, Sequence

from load.commands import add_demo, add_lab, add_report, run_demo, run_lab, run_report, wrong_input
from load.model import PricesError, plan_command
from load.scenario import ScenarioError
from local.signals import INTERRUPTED

Command = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m load`."""
    root = argparse.ArgumentParser(prog="python -m load", description="The flash sale, measured.")
    commands = root.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="the flash sale against three arms, in about two minutes")
    add_demo(demo)
    demo.set_defaults(run=run_demo)
    lab = commands.add_parser("lab", help="the whole experiment: measured, predicted, priced")
    add_lab(lab)
    lab.set_defaults(run=run_lab)
    planner = commands.add_parser("plan", help="how many workers and tasks a sale needs, and what it costs")
    plan_command.add_arguments(planner)
    planner.set_defaults(run=plan_command.run)
    report = commands.add_parser("report", help="write the reports of earlier runs anew, or compare several")
    add_report(report)
    report.set_defaults(run=run_report)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 2 for a wrong argument or scenario file."""
    arguments = parser().parse_args(argv)
    run: Command = arguments.run
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ScenarioError, PricesError) as exc:
        return wrong_input(arguments.command, exc)


if __name__ == "__main__":
    sys.exit(main())
