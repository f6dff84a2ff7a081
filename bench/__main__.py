"""`python -m bench`: measure every row in turns, print a table, and keep what was found.

    python -m bench [--rounds 5] [--seconds 3] [--turns 1] [--rows 1 3 8] [--orders 200000] [--output bench]

`results.json`, `results.md` and `results.svg` go to the output folder; what became worse than the committed
`bench/results.json` is flagged in the table.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import report
from bench.processes import PROJECT
from bench.report import Measured
from bench.row import Effort, Figures, Measure, Row
from bench.rows import rows

_COMMITTED = PROJECT / "bench" / "results.json"


def measure(row: Row, rounds: int, most_turns: int | None = None) -> Measured:
    """Let the contenders of a row take turns, and a round's figures be the medians of its turns'.

    A neighbour of the machine that fills its caches for a second meets one turn, and would move a mean. A figure that a
    turn has not, as the latency of a turn without an answer, is the median of the turns that have it.
    """
    found: dict[str, list[Figures]] = {name: [] for name in row.contenders}
    turns = row.turns if most_turns is None else min(row.turns, most_turns)
    for number in range(rounds):
        with ExitStack() as started:
            contenders = {name: started.enter_context(contender()) for name, contender in row.contenders.items()}
            for name, figures in _in_turns(contenders, turns, begin=number).items():
                found[name].append(_medians(figures))
    return Measured(row=row, rounds=found)


def _medians(turns: Sequence[Figures]) -> Figures:
    figures = dict.fromkeys(figure for turn in turns for figure in turn)
    return {figure: median(turn[figure] for turn in turns if figure in turn) for figure in figures}


def _in_turns(contenders: Mapping[str, Measure], turns: int, *, begin: int) -> Mapping[str, Sequence[Figures]]:
    found: dict[str, list[Figures]] = {name: [] for name in contenders}
    for number in range(begin, begin + turns):
        # Every other turn begins with the other one, so that a drift of the machine meets both alike.
        for name, contender in list(contenders.items())[:: -1 if number % 2 else 1]:
            found[name].append(contender())
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Ratios against a named baseline, measured in turns.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a contender in a round (default %(default)s)")
    parser.add_argument("--warm-up", type=float, default=1.0)
    parser.add_argument("--orders", type=int, default=200_000, help="of the row about memory")
    parser.add_argument("--turns", type=int, help="of a contender in a round, at most (default: as its row says)")
    parser.add_argument("--rows", nargs="*", default=[], help="numbers, or all")
    parser.add_argument("--output", type=Path, default=PROJECT / "bench")
    return parser.parse_args()


def main() -> None:
    """Read the options, measure, print and write."""
    options = _options()
    effort = Effort(seconds=options.seconds, warm_up=options.warm_up, orders=options.orders)
    committed = report.read(_COMMITTED)
    measured: dict[str, Measured] = {}
    for number, row in rows(effort).items():
        if not options.rows or number in options.rows or number.partition(" ")[0] in options.rows:
            measured[number] = measure(row, options.rounds, options.turns)
            print(report.table({number: measured[number]}, committed).splitlines()[-1], flush=True)  # noqa: T201
    flags = {name: value for name, value in vars(options).items() if name not in ("output", "rows")}
    options.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.document(measured, flags), indent=1)
    (options.output / "results.json").write_text(text + "\n", encoding="utf-8")
    (options.output / "results.md").write_text(report.table(measured, committed) + "\n", encoding="utf-8")
    (options.output / "results.svg").write_text(report.chart(measured), encoding="utf-8")


if __name__ == "__main__":
    main()
