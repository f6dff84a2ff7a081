"""What the gateway measures."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from payment_gateway.provider import Provider

OUTCOMES = (
    "succeeded",
    "declined",
    "refunded",
    "replayed",
    "reply_lost",
    "bad_request",
    "key_reused",
    "charge_unknown",
    "in_flight",
    "admission_timeout",
    "failed",
    "charge_store_unavailable",
)
LOOKUP_OUTCOMES = ("found", "unknown", "in_flight", "failed", "charge_store_unavailable")
# A charge takes 3 s and may wait 30 s for admission; replays take well under a millisecond.
_BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 3, 3.5, 4, 5, 7.5, 10, 15, 20, 30, 35, 60, 120)


class Metrics:
    """The gateway's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        answers = Counter(
            "gateway_answers", "Requests for a charge or a refund, by outcome", ["outcome"], registry=registry
        )
        duration = Histogram(
            "gateway_answer_duration_seconds",
            "From the request to its answer, by outcome",
            ["outcome"],
            buckets=_BUCKETS,
            registry=registry,
        )
        lookups = Counter(
            "gateway_lookups", "Lookups of a charge or a refund, by outcome", ["outcome"], registry=registry
        )
        self._answers = {name: (answers.labels(name), duration.labels(name)) for name in OUTCOMES}
        self._lookups = {name: lookups.labels(name) for name in LOOKUP_OUTCOMES}
        self._in_flight = Gauge("gateway_charges_in_flight", "Charges being processed", registry=registry)
        self._waiting = Gauge("gateway_charges_waiting", "Charges waiting for admission", registry=registry)
        self._capacity = Gauge("gateway_capacity", "Most charges processed at once; 0 is no limit", registry=registry)

    def watch(self, provider: Provider) -> None:
        """Show the state of `provider` whenever the metrics are read."""
        self._in_flight.set_function(lambda: provider.admission.in_flight)
        self._waiting.set_function(lambda: provider.admission.waiting)
        self._capacity.set_function(lambda: provider.behaviour.capacity)

    def observe(self, outcome: str, seconds: float) -> None:
        """Count one answer, one of `OUTCOMES`, that took `seconds`."""
        answers, duration = self._answers[outcome]
        answers.inc()
        duration.observe(seconds)

    def count_lookup(self, outcome: str) -> None:
        """Count one lookup, one of `LOOKUP_OUTCOMES`."""
        self._lookups[outcome].inc()
