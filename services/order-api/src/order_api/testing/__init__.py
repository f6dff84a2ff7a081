"""What tests of the API use: fakes of the outside world, and the real server over a real socket."""

from flashbus.testing import FakeTopic, wait_until
from order_api.testing.dead_process import DeadProcess, order_of
from order_api.testing.harness import (
    PEN,
    PHONE,
    SECRET,
    Answer,
    RunningApi,
    environment,
    exchange,
    read_answer,
    running_shop,
)
from order_api.testing.products import FakeProducts
from order_api.testing.stock import FakeStock

__all__ = [
    "PEN",
    "PHONE",
    "SECRET",
    "Answer",
    "DeadProcess",
    "FakeProducts",
    "FakeStock",
    "FakeTopic",
    "RunningApi",
    "environment",
    "exchange",
    "order_of",
    "read_answer",
    "running_shop",
    "wait_until",
]
