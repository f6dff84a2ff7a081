"""The benchmark still runs, and reports what it found; no time is asserted."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from bench import report
from bench.__main__ import measure
from bench.processes import PROJECT
from bench.report import Measured
from bench.row import Effort, Figures, Measure, Row
from bench.rows import rows
from bench.shopper import load


@pytest.mark.long
@pytest.mark.parametrize(
    "number", ["1", "3", "6 at 20", "8", "9 processor", "9 intake", "11", "12/64", "12 losers with keys"]
)
def test_every_kind_of_row_is_measured_and_written_down(tmp_path: Path, number: str) -> None:
    # One aiobotocore Publish a request takes some 3 ms of CPU: where other tests use the core too, 64 connections are
    # answered in bursts, half a second apart. A turn of an intake is a third of these seconds.
    short = ["--rounds", "1", "--turns", "1", "--seconds", "1.2", "--warm-up", "0.3", "--orders", "2100"]
    command = [sys.executable, "-m", "bench", "--rows", number, *short, "--output", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT, check=True, timeout=50)  # noqa: S603 - our own program
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["rows"][number]
    rounds = [figures for contender in found["rounds"].values() for figures in contender]
    assert all(figures["value"] > 0 for figures in rounds)
    assert all(figures.get("answered_otherwise", 0) == 0 for figures in rounds)
    assert f"| {number} |" in (tmp_path / "results.md").read_text(encoding="utf-8")


async def test_an_order_that_was_sent_late_is_told_apart_from_one_that_was_answered_late() -> None:
    class Server(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)

        def data_received(self, _data: bytes) -> None:
            loop.call_later(0.02, self.transport.write, b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    loop = asyncio.get_running_loop()
    async with await loop.create_server(Server, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        loop.call_later(0.15, time.sleep, 0.1)  # the load stands still
        found = await load(port=port, connections=50, seconds=0.3, warm_up=0.0, rate=200)
    assert max(found.sent_late) > 0.08
    assert min(found.latencies) >= 0.02
    assert len(found.sent_late) == pytest.approx(60, abs=2)


def row(*, must: float | None, at_most: bool = False) -> Row:
    return Row(title="a figure", contenders={}, must=must, at_most=at_most)


def measured(of: Row, ours: list[float], baseline: list[float] | None = None) -> Measured:
    rounds = {"ours": [{"value": value} for value in ours]}
    if baseline is not None:
        rounds["baseline"] = [{"value": value} for value in baseline]
    return Measured(row=of, rounds=rounds)


def test_contenders_live_for_a_round_and_take_turns_in_it() -> None:
    events = list[str]()

    @contextmanager
    def contender(name: str) -> Iterator[Measure]:
        def turn() -> Figures:
            events.append(name)
            return {"value": float(len(events))}

        events.append(f"begin {name}")
        yield turn
        events.append(f"end {name}")

    one = Row(title="a figure", contenders={name: partial(contender, name) for name in "ab"}, must=None, turns=3)
    found = measure(one, rounds=2)
    begins, ends = ["begin a", "begin b"], ["end b", "end a"]
    assert events == [*begins, *"abbaab", *ends, *begins, *"baabba", *ends]
    assert found.rounds["a"][0] == {"value": 6}
    assert len(found.ratios) == 2


def test_a_turn_without_an_answer_has_no_latency_and_its_round_still_has_figures() -> None:
    turns = iter([{"value": 0.0}, {"value": 3.0, "p50_ms": 8.0}, {"value": 2.0, "p50_ms": 6.0}])
    one = Row(title="a figure", contenders={"a": lambda: nullcontext(lambda: next(turns))}, must=None, turns=3)
    assert measure(one, rounds=1).rounds["a"] == [{"value": 2.0, "p50_ms": 7.0}]


def test_the_ratio_is_the_median_of_the_rounds_ratios() -> None:
    one = measured(row(must=2), [2, 9, 4], [1, 3, 1])
    assert (one.ratios, one.ratio, one.holds) == ([2, 3, 4], 3, True)


def test_without_a_baseline_it_is_the_figure_itself() -> None:
    one = measured(row(must=2, at_most=True), [3, 1, 5])
    assert (one.ratio, one.holds) == (3, False)


def test_what_is_further_than_noise_from_the_committed_figure_is_a_regression() -> None:
    slower = measured(row(must=1), [1.0, 1.1, 1.2])
    assert slower.is_worse_than(1.5)
    assert not slower.is_worse_than(1.15)
    assert measured(row(must=1, at_most=True), [1.0, 1.1, 1.2]).is_worse_than(0.8)
    committed = {"rows": {"1": {"ratio": 1.5}}}
    assert "regression from 1.5" in report.table({"1": slower}, committed)
    assert "regression" not in report.table({"1": slower}, {})


def test_what_has_no_bound_is_told_and_neither_holds_nor_is_missed() -> None:
    one = {"1": measured(row(must=None), [1.0], [4.0])}
    assert report.table(one, {}).splitlines()[-1].endswith("| 0.25 (0.25–0.25) |  | only told |")
    assert report.document(one, {})["rows"]["1"]["holds"] is None
    assert "<rect" not in report.chart(one)


def test_a_chart_has_a_bar_for_every_row() -> None:
    drawn = report.chart({"1": measured(row(must=1), [2.0]), "2": measured(row(must=1), [0.5])})
    assert drawn.count("<rect") == 2


def test_the_rows_are_those_of_the_table() -> None:
    known = rows(Effort())
    assert {
        "1",
        "3",
        "4",
        "5 at 1",
        "5 at 1000",
        "6 at 100",
        "8",
        "9 intake",
        "11",
        "12",
        "12/64",
        "12 losers",
    } <= set(known)
