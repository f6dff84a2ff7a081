"""`python -m load demo` and `python -m load lab`: their arguments, and what they do."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from load.analysis.estimate import expected_seconds, total_seconds
from load.analysis.findings import Findings
from load.analysis.results import Results
from load.analysis.thresholds import Threshold, broken, thresholds
from load.folder import Outline, read_outline, write_outline
from load.model import load_prices
from load.records import run_folder
from load.report import words
from load.report.console import console, list_scenarios, print_checks, print_table, summary
from load.report.differences import unlike
from load.report.files import read_results, write_comparison, write_report
from load.run.experiment import Experiment, new_folder
from load.run.progress import Progress
from load.scenario import ScenarioError, ScenarioFile
from load.scenario_files import SCENARIOS, load_scenarios
from local.emulator import EmulatorMissingError
from local.signals import INTERRUPTED, run_until_interrupted

WRONG_ARGUMENT = 2


def _add_fail_if(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="CONDITION",
        help="exit with 1 if a figure of a run is so: 'ecs:100.accept_p99 > 0.25'; repeatable",
    )


def add_demo(parser: argparse.ArgumentParser) -> None:
    """The arguments of `demo`."""
    parser.add_argument("--quick", action="store_true", help="the shortest demo: for a smoke test")
    parser.add_argument("--seed", type=int, help="another seed for orders and thinking times")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where the report's folder is made")
    _add_fail_if(parser)


def run_demo(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit code says whether every check held."""
    file = load_scenarios(SCENARIOS / "demo.toml", quick=arguments.quick)
    if arguments.seed is not None:
        file = file.seeded(arguments.seed)
    limits = thresholds(arguments.fail_if, file.names)
    return conduct(Outline(kind="demo", file=file), folder=new_folder(arguments.reports), limits=limits)


def add_lab(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lab`."""
    parser.add_argument("--quick", action="store_true", help="payments and phases scaled down: about 5 minutes")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only the scenarios of this name, or whose name begins with it (ecs:20, sync, sync:naive); repeatable",
    )
    parser.add_argument("--seed", type=int, help="another seed for orders, thinking times and arrivals")
    parser.add_argument("--scenarios", type=Path, help="another scenario file")
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where the report's folder is made")
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FOLDER",
        help="go on in the folder of an interrupted experiment: all else is in it; its finished runs are kept",
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="another price list than load/model/prices.toml")
    parser.add_argument("--list", action="store_true", help="list the scenarios and how long they take, run nothing")
    _add_fail_if(parser)


def run_lab(arguments: argparse.Namespace) -> int:
    """Run the laboratory; the exit code says whether every run is valid."""
    load_prices(arguments.prices)
    outline = _resumed(arguments) or Outline(kind="lab", file=_chosen(arguments))
    if arguments.list:
        list_scenarios(console(), outline.file)
        return 0
    limits = thresholds(arguments.fail_if, outline.file.names)
    folder = arguments.resume or new_folder(arguments.reports)
    return conduct(outline, folder=folder, prices=arguments.prices, limits=limits)


def _chosen(arguments: argparse.Namespace) -> ScenarioFile:
    """The scenarios that the command line names."""
    file = load_scenarios(arguments.scenarios or SCENARIOS / "lab.toml", quick=arguments.quick)
    if arguments.seed is not None:
        file = file.seeded(arguments.seed)
    return file.only(arguments.only) if arguments.only else file


def _resumed(arguments: argparse.Namespace) -> Outline | None:
    """What an interrupted experiment was to run; None for a new one, and in a folder of an earlier version."""
    folder: Path | None = arguments.resume
    if folder is None:
        return None
    if not folder.is_dir():
        raise ScenarioError(f"--resume {folder}: there is no such folder")
    outline = read_outline(folder)
    if outline is None and not run_folder(folder, "").is_dir():
        raise ScenarioError(f"--resume {folder}: there is no experiment in this folder")
    given = {
        "--quick": arguments.quick,
        "--only": arguments.only,
        "--seed": arguments.seed is not None,
        "--scenarios": arguments.scenarios,
    }
    named = [option for option, value in given.items() if value]
    if outline is not None and named:
        raise ScenarioError(f"--resume {folder}: the folder says what is to be run; leave out {', '.join(named)}")
    return outline


def conduct(outline: Outline, *, folder: Path, prices: Path | None = None, limits: Sequence[Threshold] = ()) -> int:
    """Run an experiment, report it, and return the exit code: 0 valid, 1 not, 130 interrupted."""
    out = console()
    kind, file = outline.kind, outline.file
    with Progress(out, expected=expected_seconds(file)) as progress:
        findings = Findings(file=file, kind=kind, folder=folder)
        experiment = Experiment(
            file=file,
            folder=folder,
            progress=progress,
            evaluate=lambda scenario, records: summary(findings.take(scenario, records)),
        )
        experiment.ensure_own_folder()
        write_outline(folder, outline)
        out.print(f"[bold]{file.title}[/bold] → {folder}")
        try:
            code = run_until_interrupted(_measured(experiment, findings, file, kind))
        except EmulatorMissingError as exc:
            sys.stderr.write(f"python -m load {kind}: {exc}\n")
            return 1
        except BaseExceptionGroup as exc:
            # A bug in one run must not cost the report of the others.
            out.print_exception()
            sys.stderr.write(f"python -m load {kind}: {exc}\n")
            code = 1
    results = findings.results(failures=experiment.failures, interrupted=experiment.interrupted)
    page = write_report(folder, results, prices=prices)
    return _reported(page, results, code, broken(limits, results.runs))


async def _measured(experiment: Experiment, findings: Findings, file: ScenarioFile, kind: str) -> int:
    if kind == "lab":
        length = await asyncio.to_thread(total_seconds, file)
        sys.stdout.write(f"about {words.seconds(length)}; every prediction is written down before its run\n")
        for scenario in file.scenarios:
            await asyncio.to_thread(findings.predict, scenario)
    await experiment.run()
    return 0


def _reported(page: Path, results: Results, code: int, exceeded: Sequence[str]) -> int:
    out, folder = console(), page.parent
    if code == INTERRUPTED:
        out.print(f"\nInterrupted: everything is stopped. The partial report: {page}", soft_wrap=True)
        out.print(f"Go on with: python -m load lab --resume {folder}", soft_wrap=True)
        return INTERRUPTED
    print_table(out, results.runs)
    print_checks(out, results)
    out.print(f"\nReport: {page}\nData:   {folder / 'results.json'}", soft_wrap=True, highlight=False)
    failed = [f"{run.scenario.name}: {check.title}" for run in results.runs for check in run.checks if not check.holds]
    failed += [*(f"{name}: not measured" for name in results.unfinished), *exceeded]
    if failed:
        out.print("[red]FAILED[/red] " + "; ".join(failed), soft_wrap=True, highlight=False)
        return 1
    out.print("[green]Every check held.[/green]")
    return code


def add_report(parser: argparse.ArgumentParser) -> None:
    """The arguments of `report`."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of a demo or of a lab experiment")
    parser.add_argument(
        "--against",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="compare medians and ranges with those of these experiments: several a side show the spread",
    )
    parser.add_argument("--prices", type=Path, metavar="FILE", help="another price list than load/model/prices.toml")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="another folder for it (default: the experiment's own; for a comparison a new one under reports/)",
    )
    _add_fail_if(parser)


def run_report(arguments: argparse.Namespace) -> int:
    """Write one experiment's report anew, or a comparison of several."""
    found, against = (
        [(folder, read_results(folder)) for folder in some] for some in (arguments.runs, arguments.against)
    )
    exceeded = [
        f"{folder}: {sentence}"
        for folder, results in found
        for sentence in broken(thresholds(arguments.fail_if, results.names), results.runs)
    ]
    if len(found) == 1 and not against:
        page = write_report(arguments.output or found[0][0], found[0][1], prices=arguments.prices)
    else:
        page = write_comparison(arguments.output or new_folder(), found, against=against)
    out = console()
    out.print(f"Report: {page}", soft_wrap=True, highlight=False)
    for sentence in unlike([results for _, results in (*found, *against)]).values():
        out.print(f"[yellow]NOTE[/yellow] {sentence}", soft_wrap=True, highlight=False)
    for sentence in exceeded:
        out.print(f"[red]FAILED[/red] {sentence}", soft_wrap=True, highlight=False)
    return 1 if exceeded else 0


def wrong_input(command: str, error: Exception) -> int:
    """Say what is wrong with a file that the user gave."""
    sys.stderr.write(f"python -m load {command}: {error}\n")
    return WRONG_ARGUMENT
