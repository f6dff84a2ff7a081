"""Settings of the payment gateway, read once from the environment."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from flashops.settings import Seconds, ServiceSettings
from payment_gateway.behaviour import Behaviour, Capacity, Rate, Seed

SERVICE = "payment-gateway"
Duration = Annotated[timedelta, Seconds(ge=0, le=3600)]


class Settings(ServiceSettings):
    """Where the gateway listens and stores charges, and its behaviour until `/admin/behaviour` changes it."""

    old_variables: ClassVar[Mapping[str, str]] = {"LEDGER_PATH": "CHARGE_STORE_PATH"}

    port: int = Field(default=8090, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    charge_store_path: Path = Field(
        default=Path("payments.sqlite3"), description="SQLite file that keeps every charge across restarts"
    )
    latency: Duration = Field(default=timedelta(seconds=3), description="How long one charge takes")
    capacity: Capacity = Field(default=0, description="Most charges at once, others wait; 0 is no limit")
    decline_rate: Rate = Field(default=0.0, description="Share of the charges that are declined, 0 to 1")
    failure_rate: Rate = Field(default=0.0, description="Share of the attempts answered 500 before the charge")
    lost_reply_rate: Rate = Field(default=0.0, description="Share of the charges whose answer is never sent")
    queue_timeout: Duration = Field(default=timedelta(seconds=30), description="Longest wait for capacity before a 503")
    seed: Seed | None = Field(default=None, description="Seed of every injected fault; drawn at random when unset")
    drain_grace: Duration = Field(
        default=timedelta(0), description="How long new requests are still accepted after the stop signal"
    )

    def behaviour(self, *, drawn_seed: int) -> Behaviour:
        """Return what the gateway starts with; `drawn_seed` is used when none is set."""
        return Behaviour(
            latency_seconds=self.latency.total_seconds(),
            capacity=self.capacity,
            decline_rate=self.decline_rate,
            failure_rate=self.failure_rate,
            lost_reply_rate=self.lost_reply_rate,
            queue_timeout_seconds=self.queue_timeout.total_seconds(),
            seed=drawn_seed if self.seed is None else self.seed,
        )
