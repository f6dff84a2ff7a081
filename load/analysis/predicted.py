"""What the model says about a scenario before it runs, and how far the measurement is from it."""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from load.analysis.figures import Figures
from load.analysis.seed import thinking
from load.model import (
    SETTLED_PER_SECOND,
    TOLERANCE,
    Burst,
    ClosedLoop,
    Environments,
    OpenLoop,
    Prediction,
    Shop,
    Slots,
    deviation,
    predict,
)
from load.records import PREDICTED
from load.scenario import PROTECTED_LIMIT, WAIT_SHARE, Arm, Arrivals, Phase, Scenario
from load.scenario import Shop as ShopKind
from load.traffic.open_loop import due_times

REPLICATIONS = 5
ACCEPT_SECONDS = 0.012  # the median of the queue runs' medians, on two cores
DELIVERY_SECONDS = 0.0  # the embedded AWS hands an event to the queue before it answers the publish
DRAIN = "drain"
UNITS_SOLD = "units sold"
MOST_DEVIATION = 99.0  # of a prediction of 0 it would be infinite


class Predicted(BaseModel):
    """One predicted figure of a scenario."""

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    value: float
    formula: str = ""


class PredictedValue(BaseModel):
    """A prediction beside its measurement; `deviation` is relative, `ok` within ten percent.

    All three are None when the run cannot say (it was cut short, or its slots were never all busy); `extrapolated`
    marks a measurement that the run's own rate completed.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    unit: str
    predicted: float
    measured: float | None
    deviation: float | None
    ok: bool | None
    extrapolated: bool = False
    formula: str = ""


def workload(scenario: Scenario, phase: Phase) -> ClosedLoop | OpenLoop | Burst:
    """What the model is told of a phase: the very moments and thinking times that its seed gives."""
    if phase.is_open_loop:
        due = due_times(phase.arrivals.value, rate=phase.rate, seconds=phase.seconds, seed=scenario.seed)
        return OpenLoop(
            rate_per_second=phase.rate,
            duration_seconds=phase.seconds,
            poisson=phase.arrivals is Arrivals.POISSON,
            moments=tuple(due),
        )
    if phase.arrivals is Arrivals.BURST:
        return Burst(orders=phase.users)
    return _closed_loop(scenario, scenario.phases.index(phase))


def _closed_loop(scenario: Scenario, number: int) -> ClosedLoop:
    phase = scenario.phases[number]
    return ClosedLoop(
        users=phase.users,
        duration_seconds=phase.seconds,
        spawn_per_second=phase.spawned_per_second,
        think_min_seconds=scenario.think_seconds[0],
        think_max_seconds=scenario.think_seconds[1],
        before=_closed_loop(scenario, number - 1) if number else None,
        thinking=thinking(scenario),
    )


def _slots(scenario: Scenario) -> Slots:
    schedule: list[tuple[float, int]] = []
    running, changed = 1, 0.0
    for moment, tasks in scenario.tasks:
        # A change begins when the one before it is complete, as a run does it.
        changed = max(moment, changed) + max(0, tasks - running) * scenario.task_start_seconds
        # The simulation's time begins with the rush.
        schedule.append((changed - scenario.seconds_before_peak, scenario.workers * tasks))
        running = tasks
    return Slots(workers=scenario.workers, overhead_seconds=scenario.overhead_seconds, schedule=tuple(schedule))


def shop(scenario: Scenario) -> Shop:
    """What the model is told of the scenario's order path."""
    if scenario.arm is not Arm.SYNC:
        # The last burst finds the environments of the ones before.
        warm = scenario.peak_phase.users if len(scenario.phases) > 1 else 0
        environments = Environments(batch_size=1 if scenario.arm is Arm.LAMBDA else 10, warm=warm)
        return Shop(
            mode="async",
            payment_seconds=scenario.payment_seconds,
            gateway_capacity=scenario.capacity,
            admission_timeout_seconds=scenario.line_seconds,
            accept_seconds=ACCEPT_SECONDS,
            delivery_seconds=DELIVERY_SECONDS,
            consumer=_slots(scenario) if scenario.arm is Arm.ECS else environments,
        )
    if scenario.shop is ShopKind.NAIVE:
        return Shop(
            mode="sync",
            payment_seconds=scenario.payment_seconds,
            gateway_capacity=scenario.capacity,
            admission_timeout_seconds=scenario.line_seconds,
        )
    return Shop(
        mode="sync",
        payment_seconds=scenario.payment_seconds,
        gateway_capacity=scenario.capacity,
        admission_timeout_seconds=scenario.line_seconds,
        sync_limit=scenario.capacity or PROTECTED_LIMIT,
        sync_wait_seconds=scenario.line_seconds * WAIT_SHARE,
    )


def prediction(scenario: Scenario) -> Prediction:
    """Simulate the scenario's rush."""
    # Other seeds only change how long shoppers think: a schedule is what it is.
    replications = REPLICATIONS if scenario.peak_phase.arrivals is Arrivals.CLOSED else 1
    rush = workload(scenario, scenario.peak_phase)
    return predict(rush, shop(scenario), seed=scenario.seed, replications=replications)


def _ordered(scenario: Scenario) -> float:
    """How many orders its shoppers try to place."""
    if Arrivals.CLOSED in {phase.arrivals for phase in scenario.phases}:
        return prediction(scenario).offered
    return sum(phase.rate * phase.seconds if phase.is_open_loop else phase.users for phase in scenario.phases)


def predicted(scenario: Scenario) -> list[Predicted]:
    """The figures that a run of this scenario will be compared with.

    The model has no answer for stock that runs out, but for how much of it is sold.
    """
    if scenario.is_limited:
        sold = min(scenario.units, _ordered(scenario))
        return [Predicted(name=UNITS_SOLD, unit="", value=sold, formula="at most stock, at most ordered")]
    found = prediction(scenario)
    formulas = {formula.name: f"{formula.expression}" for formula in found.formulas}
    rows = [Predicted(name="offered", unit="/s", value=found.offered / scenario.peak_phase.seconds)]
    if scenario.peak_phase.arrivals is Arrivals.BURST:
        rows = []
    if scenario.arm is Arm.SYNC:
        rows.append(Predicted(name="paid in the rush", unit="/s", value=found.accepted_per_second))
        rows.append(Predicted(name="lost in the rush", unit="/s", value=found.lost_per_second))
        if found.accepted_wait is not None:
            rows.append(Predicted(name="answer of a paid order, p50", unit="s", value=found.accepted_wait.p50))
        return rows
    if scenario.arm is Arm.ECS:
        if not scenario.tasks:
            rows.append(
                Predicted(
                    name="completions, all slots busy",
                    unit="/s",
                    value=found.settle_capacity_per_second,
                    formula=formulas.get(SETTLED_PER_SECOND, ""),
                )
            )
        rows.append(Predicted(name="peak backlog", unit="", value=found.peak_backlog))
        rows.append(Predicted(name=DRAIN, unit="s", value=found.drain_seconds))
    if found.confirmation_wait is not None:
        rows.append(Predicted(name="confirmation, p50", unit="s", value=found.confirmation_wait.p50))
    return rows


def write_predictions(folder: Path, predictions: Sequence[Predicted]) -> None:
    """Write down what was predicted, before the run."""
    rows = [row.model_dump(mode="json") for row in predictions]
    (folder / PREDICTED).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _accept_p50(figures: Figures, phase: str) -> float | None:
    found = next((one for one in figures.phases if one.name == phase), None)
    return found.accept.p50 if found is not None and found.accept is not None else None


def measured(scenario: Scenario, figures: Figures) -> dict[str, float | None]:
    """The measured counterparts, by name; None where the run cannot say."""
    name = scenario.peak_phase.name
    phase = next((one for one in figures.phases if one.name == name), None)
    if phase is None:
        return {}
    return {
        "offered": phase.offered_rate,
        "paid in the rush": phase.answered_in_time_rate,
        "lost in the rush": phase.refused_in_time_rate,
        "answer of a paid order, p50": _accept_p50(figures, name),
        "completions, all slots busy": figures.completion_rate,
        "peak backlog": float(figures.peak_backlog),
        DRAIN: figures.drain_seconds,
        UNITS_SOLD: float(figures.stock.sold) if figures.stock is not None else None,
        "confirmation, p50": phase.confirmation.p50 if phase.confirmation else None,
    }


def compare(scenario: Scenario, predictions: list[Predicted], figures: Figures) -> list[PredictedValue]:
    """Every prediction beside what was measured."""
    values = measured(scenario, figures)
    rows = []
    for one in predictions:
        value = values.get(one.name)
        off = None if value is None else min(deviation(predicted=one.value, measured=value), MOST_DEVIATION)
        rows.append(
            PredictedValue(
                name=one.name,
                unit=one.unit,
                predicted=one.value,
                measured=value,
                deviation=off,
                ok=None if off is None else off <= TOLERANCE,
                extrapolated=one.name == DRAIN and figures.drain_is_extrapolated,
                formula=one.formula,
            )
        )
    return rows
