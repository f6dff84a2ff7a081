"""What the processor measures."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The processor's metrics, registered once in `registry`; every label has few values."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._add_state(registry)
        self._add_durations(registry)
        self._add_messages(registry)
        self._add_queue(registry)

    def _add_state(self, registry: CollectorRegistry) -> None:
        self.slots = Gauge("processor_slots", "Payments that may run at once.", registry=registry)
        self.slots_busy = Gauge("processor_slots_busy", "Messages being worked now.", registry=registry)
        self.paused = Gauge(
            "processor_paused", "1 while the gateway or the ledger is down and nothing is taken.", registry=registry
        )
        self.stalled = Gauge(
            "processor_stalled", "1 while messages are taken and none has come to its end for long.", registry=registry
        )

    def _add_durations(self, registry: CollectorRegistry) -> None:
        self.settle_duration = Histogram(
            "processor_settle_duration_seconds",
            "From taking a message up to knowing what becomes of it.",
            ["outcome"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.order_duration = Histogram(
            "processor_order_duration_seconds",
            "From the order's acceptance to its terminal status.",
            buckets=_SECONDS,
            registry=registry,
        )

    def _add_messages(self, registry: CollectorRegistry) -> None:
        self.messages = Counter("processor_messages", "Messages worked.", ["outcome"], registry=registry)
        self.redeliveries = Counter("processor_redeliveries", "Messages that were delivered before.", registry=registry)
        self.poison = Counter("processor_poison", "Messages that can never be decoded.", ["reason"], registry=registry)
        self.dead_letters = Counter(
            "processor_dead_letters", "Messages sent to the dead-letter queue.", ["reason"], registry=registry
        )
        self.orders_settled = Counter(
            "orders_settled", "Orders brought to a terminal status here.", ["status"], registry=registry
        )

    def _add_queue(self, registry: CollectorRegistry) -> None:
        self.receive_failures = Counter(
            "processor_receive_failures", "Receives that failed.", ["reason"], registry=registry
        )
        self.ack_retries = Counter("processor_ack_retries", "Deletes tried again.", registry=registry)
        self.ack_given_up = Counter("processor_ack_given_up", "Deletes given up.", registry=registry)
        self.visibility_lost = Counter(
            "processor_visibility_lost", "Messages that became visible while being worked.", registry=registry
        )
        self.visibility_limit = Counter(
            "processor_visibility_limit",
            "Messages that were worked for as long as SQS can hide one, 12 h: they come again.",
            registry=registry,
        )
