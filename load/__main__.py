"""`python -m load`: the demo, the laboratory, the planner, and reports of earlier runs."""

import argparse
import sys
from collections.abc import Callable, Sequence

from load.lab.commands import add_demo, run_demo, scenario_errors
from load.lab.scenario import ScenarioError

Command = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """The command line of `python -m load`."""
    root = argparse.ArgumentParser(prog="python -m load", description="The flash sale, measured.")
    commands = root.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="the flash sale against three arms, in about two minutes")
    add_demo(demo)
    demo.set_defaults(run=run_demo)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 2 for a wrong argument or scenario file."""
    arguments = parser().parse_args(argv)
    run: Command = arguments.run
    try:
        return run(arguments)
    except ScenarioError as exc:
        return scenario_errors(arguments.command, exc)


if __name__ == "__main__":
    sys.exit(main())
