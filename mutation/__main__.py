"""`python -m mutation`: sample mutants of the packages, run each package's own tests on them, list the survivors."""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from mutation.accepted import ACCEPTED, read_accepted
from mutation.campaign import Campaign, PackageResult
from mutation.workbench import ENDINGS, Workbench, WorkbenchError, open_workbench

_PATIENCE_SECONDS = 20.0
PROJECT = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 if every package reaches the threshold, 1 if one does not, 2 if a suite could not be run.

    After `end_orderly`, 128 and its number for a signal.
    """
    members = _members()
    options = _options(sorted(members), arguments)
    results: list[PackageResult] = []
    try:
        with open_workbench(PROJECT) as workbench:
            campaign = _campaign(options, workbench)
            results.extend(campaign.run(members[name]) for name in options.packages or sorted(members))
    except WorkbenchError as error:
        _say(str(error))
        return 2
    sys.stdout.write(report(results, seed=options.seed) + "\n")
    return 0 if all(result.caught_percent >= options.threshold for result in results) else 1


def _campaign(options: argparse.Namespace, workbench: Workbench) -> Campaign:
    return Campaign(
        workbench=workbench,
        accepted=read_accepted(ACCEPTED.read_text(encoding="utf-8")),
        sample_size=options.sample,
        seed=options.seed,
        modules=options.modules,
        patience_seconds=_PATIENCE_SECONDS,
        say=_say,
    )


def report(results: list[PackageResult], *, seed: int) -> str:
    """Every survivor with its place and change, then one line per package."""
    lines: list[str] = []
    for result in results:
        for mutant in result.survivors:
            lines += [f"{mutant.place} in {mutant.scope or 'the module'}", mutant.diff, ""]
    lines += [f"seed {seed}", _row("package", "places", "tested", "caught", "hung", "survived", "accepted")]
    for result in results:
        counts = (result.sites, result.tested, f"{result.caught_percent:.0f} %", result.timed_out)
        lines.append(_row(result.package, *counts, len(result.survivors), len(result.accepted)))
    return "\n".join(lines)


def _row(package: str, *cells: object) -> str:
    return f"{package:<16}" + "".join(f"{cell:>10}" for cell in cells)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _members() -> dict[str, Path]:
    return {
        path.parent.name: path.parent.relative_to(PROJECT)
        for folder in ("libs", "services")
        for path in (PROJECT / folder).glob("*/pyproject.toml")
    }


def _options(names: list[str], arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mutation", description=__doc__)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"all, or some of {', '.join(names)}")
    parser.add_argument("--sample", type=_positive, default=40, metavar="N", help="mutants per package (40)")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other mutants (1)")
    parser.add_argument("--threshold", type=_percent, default=92.0, metavar="PERCENT", help="caught at least (92)")
    parser.add_argument("--modules", default="*", metavar="GLOB", help="only files of such names, as 'consumer.py'")
    options = parser.parse_args(arguments)
    if unknown := set(options.packages) - set(names):
        parser.error(f"PACKAGE: {', '.join(sorted(unknown))} is none of {', '.join(names)}")
    return options


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _percent(text: str) -> float:
    if not 0 <= (number := float(text)) <= 100:  # noqa: PLR2004 - a percentage
        raise argparse.ArgumentTypeError("from 0 to 100")
    return number


def end_orderly() -> None:
    """From now on leave by every `finally` when a signal comes: the suite is ended and the copy removed."""
    for ending in ENDINGS:
        signal.signal(ending, _leave)


def _leave(number: int, _frame: FrameType | None) -> None:
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)  # a second one must not keep the first from tidying up
    raise SystemExit(128 + number)


if __name__ == "__main__":
    end_orderly()
    sys.exit(main())
