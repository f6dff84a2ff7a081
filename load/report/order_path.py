"""The order path, alive: a recorded run for the page to replay, and what its sliders compute with."""

import math
from dataclasses import asdict
from itertools import accumulate

from load.analysis.results import Results, RunResult
from load.model import Prices, sale_rates
from load.report import words
from load.report.document import asset, embedded_json
from load.report.markup import text
from load.report.prose import say
from load.report.verdict import busiest_queue

PLACE = ("path", "Order path")


def order_path(results: Results, prices: Prices) -> str:
    """The section, when there is a queue to show."""
    run = busiest_queue(results)
    if run is None:
        return ""
    data = embedded_json(recording(run) | {"rates": asdict(sale_rates(prices))})
    return (
        f'<section id="{PLACE[0]}"><h2>The order path, alive</h2><p class="lead">{text(_lead(run))}</p>'
        '<p>This is the run as it was recorded<span class="paper"> at the moment of its largest backlog</span>.'
        ' <span class="screen">Move a slider, and the model shows what another number of workers, other customers or'
        f" another provider would make of it.</span></p>{asset('order_path.html')}"
        f'<script type="application/json" id="order-path-data">{data}</script></section>'
    )


def _lead(run: RunResult) -> str:
    scenario, coming = run.scenario, run.peak.accepted_rate
    settled = scenario.workers / (scenario.payment_seconds + scenario.overhead_seconds)
    return say(
        "path.stayed_short" if settled >= coming else "path.had_to_wait",
        coming=words.rate(coming),
        workers=words.number_of(scenario.workers, "worker"),
        settled=words.rate(settled),
    )


def recording(run: RunResult) -> dict[str, object]:
    """The run on its own grid: how many had been accepted and paid at each moment, and how many were being offered."""
    series, figures, scenario = run.series, run.figures, run.scenario
    count = len(series.t)
    return {
        "name": scenario.name,
        "width": series.width,
        "offered": series.offered,
        "accepted": [0, *accumulate(round(rate * series.width) for rate in series.accepted)][:count],
        "completed": [0, *accumulate(round(rate * series.width) for rate in series.completed)][:count],
        "bands": [band.model_dump() for band in run.bands],
        "sale": {
            "rate": round(run.peak.accepted_rate),
            "burst": round(run.peak.seconds, 1),
            "payment": scenario.payment_seconds,
            "overhead": scenario.overhead_seconds,
            "workers": scenario.workers,
        },
        "measured": {
            "peak_backlog": figures.peak_backlog,
            "last_wait": figures.confirmation.max if figures.confirmation else None,
            "drain": figures.drain_seconds if math.isfinite(figures.drain_seconds) else None,
        },
    }
