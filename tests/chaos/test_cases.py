"""Whatever breaks, nothing that was acknowledged is lost, and nobody is charged twice."""

import os
import random
from pathlib import Path

import pytest

from local.emulator import RunningEmulator
from local.processes import service_process
from tests.chaos.broker import open_broker
from tests.chaos.cases import BROKER, CONTROL, SHORT, SHORT_PLAN, TABLE
from tests.chaos.harness import Case, Harness, assert_kept
from tests.chaos.report import Report
from tests.chaos.stage import Stage, open_stage

pytestmark = [pytest.mark.embedded_aws, pytest.mark.timeout(300)]


async def test_nothing_is_lost_or_charged_twice_in_short(
    embedded_aws: RunningEmulator, tmp_path: Path, chaos_report: Report
) -> None:
    rng = random.Random(chaos_report.seed)  # noqa: S311 - faults, no secret
    async with open_stage(
        SHORT_PLAN, name="chaos-short", emulator=embedded_aws, folder=tmp_path / "shop", rng=rng
    ) as stage:
        harness = Harness(stage=stage, seed=chaos_report.seed)
        for case in SHORT:
            verdict = await harness.run(case)
            chaos_report.add(verdict)
            assert_kept(case, verdict)
            assert verdict.strikes, "a fault that never struck proves nothing"


@pytest.mark.chaos
@pytest.mark.skipif("CHAOS_ROUNDS" not in os.environ, reason="half a minute each: make chaos")
# How long the kills at each step take is a matter of how quickly this machine starts programs.
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
async def test_nothing_is_lost_or_charged_twice(
    embedded_aws: RunningEmulator, tmp_path: Path, chaos_report: Report, case: Case
) -> None:
    rng = random.Random(f"{chaos_report.seed} {case.name}")  # noqa: S311 - faults, no secret
    name = f"chaos-{TABLE.index(case)}"
    async with open_stage(case.plan, name=name, emulator=embedded_aws, folder=tmp_path / "shop", rng=rng) as stage:
        verdict = await Harness(stage=stage, seed=chaos_report.seed).run(case)
    chaos_report.add(verdict)
    assert_kept(case, verdict)
    assert verdict.strikes, "a fault that never struck proves nothing"


@pytest.mark.chaos
@pytest.mark.skipif("CHAOS_ROUNDS" not in os.environ, reason="half a minute: make chaos")
async def test_nothing_is_lost_or_charged_twice_when_the_broker_is_killed(
    embedded_aws: RunningEmulator, tmp_path: Path, chaos_report: Report
) -> None:
    rng = random.Random(f"{chaos_report.seed} {BROKER.name}")  # noqa: S311 - faults, no secret
    async with (
        open_broker(tmp_path / "broker") as broker,
        open_stage(
            BROKER.plan, name="chaos-broker", emulator=embedded_aws, folder=tmp_path, rng=rng, broker=broker
        ) as stage,
    ):
        verdict = await Harness(stage=stage, seed=chaos_report.seed).run(BROKER)
    chaos_report.add(verdict)
    assert_kept(BROKER, verdict)
    assert verdict.strikes, "a fault that never struck proves nothing"


async def employ_the_usual_loop(stage: Stage) -> None:
    """Put the control where the processor is; it is not started."""
    (processor,) = stage.processors
    await processor.aclose()
    port = processor._environment["PORT"]
    stage.processors[:] = [
        service_process(
            "tests.chaos.usual_loop",
            name="the usual loop",
            environment=processor._environment | {"VISIBILITY_SECONDS": "1"},
            log_path=processor.log_path.with_name("usual-loop.log"),
            ready_url=f"http://127.0.0.1:{port}/readyz",
        )
    ]


async def test_the_usual_loop_is_found_to_charge_twice(embedded_aws: RunningEmulator, tmp_path: Path) -> None:
    rng = random.Random("control")  # noqa: S311 - faults, no secret
    async with open_stage(
        CONTROL.plan, name="chaos-control", emulator=embedded_aws, folder=tmp_path / "shop", rng=rng
    ) as stage:
        await employ_the_usual_loop(stage)
        (loop,) = stage.processors
        async with loop:
            verdict = await Harness(stage=stage, seed="control").run(CONTROL)
    assert verdict.broken["duplicated"]
    with pytest.raises(AssertionError, match="duplicated"):
        assert_kept(CONTROL, verdict)
