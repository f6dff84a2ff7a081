"""What a run came to, as a file for node exporter's textfile collector: a job is gone before anybody scrapes it."""

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from order_processor.reconcile.reconciler import Outcome
from order_processor.reconcile.run import Result


def write_metrics(path: Path, result: Result, *, seconds: float) -> None:
    """Write the metrics of a run that ends now; the file is replaced as a whole."""
    registry = CollectorRegistry()
    ended = Gauge("reconciler_last_run_timestamp_seconds", "When the last run ended (Unix time).", registry=registry)
    ended.set_to_current_time()
    Gauge("reconciler_last_run_duration_seconds", "How long it took.", registry=registry).set(seconds)
    complete = Gauge("reconciler_last_run_complete", "1 if it looked into all orders that it found.", registry=registry)
    complete.set(result.complete)
    orders = Gauge("reconciler_last_run_orders", "What became of them.", ["outcome"], registry=registry)
    for outcome in Outcome:
        orders.labels(outcome.value).set(result.outcomes[outcome])
    write_to_textfile(str(path), registry)
