"""From what the bus tells to the processor's metrics."""

from functools import cache

from flashbus.dispositions import DeadLetter, Disposition
from flashbus.observer import Observer
from flashbus.queue import Message
from order_processor.metrics import Metrics


class MetricsObserver(Observer):
    """Counts what the consumer tells of."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        # Looking a series up by its labels costs more than the observation; outcomes are few.
        self._messages = cache(metrics.messages.labels)
        self._durations = cache(metrics.settle_duration.labels)

    def received(self, message: Message) -> None:
        if message.receive_count > 1:
            self._metrics.redeliveries.inc()

    def handled(self, message: Message, disposition: Disposition, *, seconds: float) -> None:  # noqa: ARG002 - the base's
        self._messages(disposition.outcome).inc()
        self._durations(disposition.outcome).observe(seconds)
        if isinstance(disposition, DeadLetter):
            self._metrics.dead_letters.labels(disposition.reason).inc()
            if disposition.outcome == "poison":
                self._metrics.poison.labels(disposition.reason).inc()

    def receive_failed(self, reason: str) -> None:
        self._metrics.receive_failures.labels(reason).inc()

    def ack_retried(self) -> None:
        self._metrics.ack_retries.inc()

    def ack_given_up(self) -> None:
        self._metrics.ack_given_up.inc()

    def visibility_lost(self) -> None:
        self._metrics.visibility_lost.inc()

    def visibility_limit_reached(self) -> None:
        self._metrics.visibility_limit.inc()
