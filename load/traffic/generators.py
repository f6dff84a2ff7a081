"""The load generators as subprocesses: locust for closed loops and bursts, our own for open loops."""

import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

from load.scenario import Arm, Scenario
from local.catalogue import CATALOGUE
from local.processes import ManagedProcess

PROJECT = Path(__file__).resolve().parent.parent.parent
LOCUSTFILE = PROJECT / "load" / "locustfile.py"
# A shopper who is being served when the load ends still gets an answer; nobody is cut off.
PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class LoadFiles:
    """Where a run's plan, journal and generator log are."""

    folder: Path

    @property
    def plan(self) -> Path:
        """What the generator is told."""
        return self.folder / "load-plan.json"

    @property
    def journal(self) -> Path:
        """What it saw."""
        return self.folder / "journal.ndjson"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "load.log"


def write_plan(scenario: Scenario, files: LoadFiles, *, url: str) -> None:
    """Write the plan that the generator reads."""
    plan = {
        "url": url,
        "path": "/orders/sync" if scenario.arm is Arm.SYNC else "/orders/async",
        "phases": [
            phase.model_dump(mode="json") | {"spawn_rate": phase.spawned_per_second} for phase in scenario.phases
        ],
        "think_seconds": scenario.think_seconds,
        "seed": scenario.seed,
        "products": scenario.ordered_products,
        "catalogue": str(CATALOGUE),
        "journal": str(files.journal),
        "patience_seconds": scenario.line_seconds + scenario.payment_seconds + PATIENCE_SECONDS,
    }
    files.plan.write_text(json.dumps(plan, indent=1) + "\n", encoding="utf-8")


def load_process(scenario: Scenario, files: LoadFiles, *, url: str) -> ManagedProcess:
    """The generator for this scenario, not yet started. It ends by itself when the load and every answer are over."""
    patience = scenario.line_seconds + scenario.payment_seconds + PATIENCE_SECONDS
    locust = [
        *(sys.executable, "-m", "locust", "--locustfile", str(LOCUSTFILE), "--headless", "--host", url),
        *("--stop-timeout", f"{math.ceil(patience)}s", "--exit-code-on-error", "0", "--only-summary"),
        *("--loglevel", "WARNING"),
    ]
    open_loop = [sys.executable, "-m", "load.traffic.open_loop", str(files.plan)]
    return ManagedProcess(
        name="load generator",
        argv=open_loop if scenario.is_open_loop else locust,
        environment={"LOAD_PLAN": str(files.plan), "PYTHONPATH": str(PROJECT), "NO_PROXY": "127.0.0.1,localhost"},
        log_path=files.log,
        stop_seconds=3,
    )
