"""How long an experiment will take, said beforehand."""

import math

from load.analysis.predicted import prediction
from load.scenario import WAIT_SHARE, Arm, Scenario, ScenarioFile, Shop

# Starting and stopping one shop and its load generator, on two cores.
START_SECONDS = 5.0


def run_seconds(scenario: Scenario) -> float:
    """One run: start, load, and the drain that is predicted, up to its limit."""
    if scenario.arm is Arm.SYNC:
        # The last shoppers in the queue are waited for.
        naive = scenario.shop is Shop.NAIVE and scenario.capacity
        tail = scenario.payment_seconds + (scenario.line_seconds if naive else scenario.line_seconds * WAIT_SHARE)
    elif scenario.arm is Arm.ECS and scenario.is_limited:
        tail = max(0.0, math.ceil(scenario.units / scenario.slots) * scenario.payment_seconds - scenario.load_seconds)
    elif scenario.arm is Arm.ECS:
        drain = prediction(scenario).drain_seconds
        tail = min(drain if math.isfinite(drain) else scenario.drain_limit_seconds, scenario.drain_limit_seconds)
    else:
        tail = scenario.payment_seconds + 2
    return START_SECONDS + scenario.load_seconds + tail


def expected_seconds(file: ScenarioFile) -> list[dict[str, float]]:
    """The length of every run by its name, group by group; the runs of a group go on at the same time."""
    return [{scenario.name: run_seconds(scenario) for scenario in group} for group in file.groups()]


def total_seconds(file: ScenarioFile) -> float:
    """The whole experiment; the runs of a group take as long as the longest."""
    return sum(max(group.values()) for group in expected_seconds(file))
