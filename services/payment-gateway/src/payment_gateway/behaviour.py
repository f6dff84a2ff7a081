"""How the simulated provider behaves, changeable at run time, and the faults injected into each attempt."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Seconds = Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Capacity = Annotated[int, Field(ge=0, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**53 - 1)]
# JSON has lists; a tuple keeps a behaviour from being changed behind its owner's back.
Customers = Annotated[tuple[Annotated[int, Field(ge=1, le=2**53 - 1)], ...], Field(max_length=1000, strict=False)]


class Behaviour(BaseModel):
    """What the provider does to a charge. Rates are shares from 0 to 1; `capacity` 0 is no limit.

    Charges of `failing_customers` always fail, those of `hanging_customers` stay in flight until the gateway stops,
    those of `slow_customers` take `slow_seconds`. Lookups know no customer and answer as for everybody. So long after
    its answer, `key_seconds`, a key may be used for another charge or refund, as if it were new; 0 is never. Lookups
    find the answer that it had all the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    latency_seconds: Seconds
    capacity: Capacity
    decline_rate: Rate
    failure_rate: Rate
    lost_reply_rate: Rate
    queue_timeout_seconds: Seconds
    seed: Seed
    failing_customers: Customers = ()
    hanging_customers: Customers = ()
    slow_customers: Customers = ()
    slow_seconds: Seconds = 30.0
    key_seconds: Seconds = 0.0

    def latency_of(self, customer_id: int) -> float:
        """How long a charge of this customer takes, in seconds."""
        return self.slow_seconds if customer_id in self.slow_customers else self.latency_seconds

    def changed(self, fields: bytes) -> "Behaviour":
        """Return this behaviour with the fields that a JSON object names changed; raises ValidationError."""
        return Behaviour.model_validate({**self.model_dump(), **_FIELDS.validate_json(fields)})


_FIELDS = TypeAdapter(dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectedFaults:
    """Which faults are injected into one attempt at a charge."""

    fails: bool
    declined: bool
    reply_lost: bool


def injected_faults(behaviour: Behaviour, *, key: str, attempt: int) -> InjectedFaults:
    """Draw the faults of an attempt from the seed, the key and the attempt's number alone.

    Not from one shared stream: then concurrent requests would get each other's faults, and no run could be
    repeated. A card that is declined is so at every attempt; failures and lost replies differ by attempt.
    """

    def drawn(rate: float, what: str) -> bool:
        # The first comparison spares the hash where nothing is injected.
        return rate > 0 and _share(f"{behaviour.seed}|{what}|{key}") < rate

    return InjectedFaults(
        fails=drawn(behaviour.failure_rate, f"failure {attempt}"),
        declined=drawn(behaviour.decline_rate, "decline"),
        reply_lost=drawn(behaviour.lost_reply_rate, f"lost {attempt}"),
    )


def lookup_fails(behaviour: Behaviour, *, key: str, number: int) -> bool:
    """Whether lookup `number` of a key fails: as often as attempts do, since an outage is one for both."""
    rate = behaviour.failure_rate
    return rate > 0 and _share(f"{behaviour.seed}|lookup {number}|{key}") < rate


def _share(text: str) -> float:
    # The first 53 bits of a hash: uniform in [0, 1), the same on every platform and Python.
    digest = blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) / 2**53
