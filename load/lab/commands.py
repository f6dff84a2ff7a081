"""`python -m load demo` and `python -m load lab`: their arguments, and what they do."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console

from load.lab.experiment import Experiment, new_folder
from load.lab.progress import Progress
from load.lab.report.files import write_report
from load.lab.scenario import SCENARIOS, Scenario, ScenarioError, ScenarioFile, load_scenarios
from load.lab.table import console, print_checks, print_table
from local.emulator import EmulatorMissingError
from local.signals import INTERRUPTED, run_until_interrupted

WRONG_ARGUMENT = 2


def add_demo(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument("--quick", action="store_true", help="the shortest demo: for a smoke test")
    parser.add_argument("--seed", type=int, help="another seed for orders and thinking times")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where the report's folder is made")


def run_demo(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit code says whether every check held."""
    file = load_scenarios(SCENARIOS / ("demo-quick.toml" if arguments.quick else "demo.toml"))
    if arguments.seed is not None:
        file = file.seeded(arguments.seed)
    return conduct("demo", file, folder=new_folder(arguments.reports))


def conduct(
    kind: Literal["demo", "lab"],
    file: ScenarioFile,
    *,
    folder: Path,
    together: Sequence[Sequence[Scenario]] | None = None,
) -> int:
    """Run an experiment, report it, and return the exit code: 0 valid, 1 not, 130 interrupted."""
    out = console()
    with Progress(out) as progress:
        experiment = Experiment(file=file, kind=kind, folder=folder, progress=progress)
        groups = together or [[scenario] for scenario in file.scenarios]
        out.print(f"[bold]{file.title}[/bold] → {folder}")
        try:
            code = run_until_interrupted(_measured(experiment, groups))
        except EmulatorMissingError as exc:
            sys.stderr.write(f"python -m load {kind}: {exc}\n")
            return 1
        except BaseExceptionGroup as exc:
            # A bug in one run must not cost the report of the others.
            out.print_exception()
            sys.stderr.write(f"python -m load {kind}: {exc}\n")
            code = 1
    return _reported(experiment, out, code)


async def _measured(experiment: Experiment, groups: Sequence[Sequence[Scenario]]) -> int:
    await experiment.run(together=groups)
    return 0


def _reported(experiment: Experiment, out: Console, code: int) -> int:
    results = experiment.results()
    page = write_report(experiment.folder, results)
    if code == INTERRUPTED:
        out.print(f"\nInterrupted: everything is stopped. The partial report: {page}", soft_wrap=True)
        return INTERRUPTED
    print_table(out, results.runs)
    print_checks(out, results)
    out.print(f"\nReport: {page}\nData:   {experiment.folder / 'results.json'}", soft_wrap=True, highlight=False)
    failed = [f"{run.scenario.name}: {check.title}" for run in results.runs for check in run.checks if not check.ok]
    failed += [f"{name}: not measured" for name in results.unfinished]
    if failed:
        out.print("[red]FAILED[/red] " + "; ".join(failed), soft_wrap=True, highlight=False)
        return 1
    out.print("[green]Every check held.[/green]")
    return code


def scenario_errors(command: str, error: ScenarioError) -> int:
    """Say what is wrong with a scenario file."""
    sys.stderr.write(f"python -m load {command}: {error}\n")
    return WRONG_ARGUMENT
