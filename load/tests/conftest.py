"""Synthetic runs, shared by the tests of the laboratory."""

from collections.abc import Callable

import pytest

from load.analysis.results import Machine, Results, RunResult, result
from load.records import RunRecords
from load.scenario import Arm, Arrivals, Phase, Scenario, Shop
from load.scenario_files import SCENARIOS, load_scenarios
from load.tests.synthetic import synthetic_run


@pytest.fixture
def queue_scenario() -> Scenario:
    return Scenario(
        name="ecs:4",
        title="Queue, 4 workers",
        arm=Arm.ECS,
        workers=4,
        payment_seconds=0.5,
        phases=(
            Phase(name="normal", users=5, spawn_rate=5, seconds=6),
            Phase(name="flash", users=20, spawn_rate=10, seconds=10),
        ),
    )


@pytest.fixture
def sync_scenario() -> Scenario:
    return Scenario(
        name="sync:naive:1",
        title="Naive shop",
        arm=Arm.SYNC,
        shop=Shop.NAIVE,
        capacity=1,
        workers=0,
        payment_seconds=1.0,
        line_seconds=10.0,
        phases=(Phase(name="flash", users=20, spawn_rate=10, seconds=30),),
    )


@pytest.fixture
def stock_scenario() -> Scenario:
    return Scenario(
        name="stock",
        title="30 units and 240 buyers",
        arm=Arm.ECS,
        workers=10,
        payment_seconds=0.5,
        stock={"espresso-machine": 20, "desk-lamp": 10},
        phases=(Phase(name="flash", arrivals=Arrivals.POISSON, rate=40, seconds=6),),
    )


@pytest.fixture
def stock_run(stock_scenario: Scenario) -> RunRecords:
    return synthetic_run(stock_scenario)


@pytest.fixture
def queue_run(queue_scenario: Scenario) -> RunRecords:
    return synthetic_run(queue_scenario)


@pytest.fixture
def sync_run(sync_scenario: Scenario) -> RunRecords:
    return synthetic_run(sync_scenario)


@pytest.fixture(scope="session")
def machine() -> Machine:
    return Machine(system="Test 1", processor="Test", cores=2, memory_gb=8, python="3.11", versions={"aiohttp": "3"})


@pytest.fixture(scope="session")
def make_results(machine: Machine) -> Callable[[list[RunResult], str], Results]:
    def make(runs: list[RunResult], kind: str) -> Results:
        return Results.model_validate(
            {
                "kind": kind,
                "title": "The flash sale",
                "summary": "A test.",
                "started_at": "2026-01-02T03:04:05+00:00",
                "finished_at": "2026-01-02T03:05:05+00:00",
                "seed": 1,
                "interrupted": False,
                "unfinished": [],
                "machine": machine,
                "runs": runs,
            }
        )

    return make


@pytest.fixture(scope="session")
def demo_runs() -> list[RunResult]:
    file = load_scenarios(SCENARIOS / "demo.toml")
    return [result(scenario, synthetic_run(scenario)) for scenario in file.scenarios]


@pytest.fixture(scope="session")
def lab_runs() -> list[RunResult]:
    file = load_scenarios(SCENARIOS / "lab.toml", quick=True)
    closed = [scenario for scenario in file.scenarios if not scenario.is_open_loop or scenario.is_limited]
    return [result(scenario, synthetic_run(scenario)) for scenario in closed]
