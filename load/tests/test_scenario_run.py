"""Whole runs against the embedded AWS: measured, valid, and stopped without a trace."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from load.analysis.results import result
from load.records import read_records
from load.run.scenario_run import Moment, run_scenario
from load.scenario import Arm, Arrivals, Phase, Scenario
from load.traffic.generators import PROJECT
from local.emulator import RunningEmulator

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(180)]
PATIENCE_SECONDS = 60.0
JOURNAL = "journal.ndjson"


async def test_a_run_is_measured_and_valid(tmp_path: Path, embedded_aws: RunningEmulator) -> None:
    scenario = Scenario(
        name="ecs:small",
        title="A small queue whose workers are doubled",
        arm=Arm.ECS,
        workers=2,
        tasks=((1.5, 2),),
        payment_seconds=0.2,
        phases=(Phase(name="flash", users=5, seconds=4),),
    )
    seen: list[Moment] = []
    records = await run_scenario(scenario, emulator=embedded_aws, folder=tmp_path / "run", watch=seen.append)
    found = result(scenario, records)
    assert found.valid, [check for check in found.checks if not check.ok]
    assert found.figures.accepted == found.figures.completed > 20
    assert [change.workers for change in records.workers] == [2, 4]
    assert len(found.series.simulated_backlog) == len(found.series.backlog)
    watched = {sample.process for sample in records.processes}
    assert watched >= {"order API", "order processor", "order processor 2", "load generator"}
    assert "flash" in {moment.stage for moment in seen}
    assert read_records(tmp_path / "run") == records


async def test_a_run_with_limited_stock_sells_every_unit_once(tmp_path: Path, embedded_aws: RunningEmulator) -> None:
    scenario = Scenario(
        name="stock:small",
        title="Ten units and forty buyers",
        arm=Arm.ECS,
        workers=5,
        payment_seconds=0.2,
        stock={"desk-lamp": 10},
        phases=(Phase(name="flash", arrivals=Arrivals.CONSTANT, rate=20, seconds=2),),
    )
    records = await run_scenario(scenario, emulator=embedded_aws, folder=tmp_path / "run", watch=lambda _: None)
    found = result(scenario, records)
    assert found.valid, [check for check in found.checks if not check.ok]
    stock = found.figures.stock
    assert stock is not None
    assert (stock.sold, stock.sold_out, stock.lost, stock.left, stock.reserved) == (10, 30, 0, 0, 0)
    assert {request.product for request in records.requests} == {"desk-lamp"}
    assert read_records(tmp_path / "run") == records


def family(folder: Path) -> list[psutil.Process]:
    """The processes that a demo writing to `folder` has started, wherever they hang in the tree."""
    mine = []
    for process in psutil.process_iter():
        try:
            told = " ".join([*process.cmdline(), *process.environ().values()])
        except psutil.Error:
            continue
        if str(folder) in told and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            mine.append(process)
    return mine


def test_ctrl_c_leaves_nothing_behind_and_names_the_partial_report(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    argv = [sys.executable, "-m", "load", "demo", "--quick", "--reports", str(reports)]
    with subprocess.Popen(argv, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:  # noqa: S603  # our own
        deadline = time.monotonic() + PATIENCE_SECONDS
        # A log is silent while all goes well: that shoppers order is seen in what they write down.
        while not any(reports.rglob(JOURNAL)) and demo.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert family(reports), "the check below would see nothing"
        demo.send_signal(signal.SIGINT)
        said, _ = demo.communicate(timeout=PATIENCE_SECONDS)
    assert demo.returncode == 130, said
    page = re.search(r"The partial report: (\S+report\.html)", said)
    assert page is not None, said
    assert "PARTIAL" in (PROJECT / page[1]).read_text(encoding="utf-8")
    assert family(reports) == []
