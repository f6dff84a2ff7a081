"""Fakes for tests and benchmarks, held to the same contract tests as SNS and SQS, and time that jumps."""

from flashbus.testing.harness import ConsumerHarness, CountingObserver
from flashbus.testing.queue import FakeQueue, StoredMessage, loop_time
from flashbus.testing.topic import FakeTopic
from flashbus.testing.virtual_time import VirtualTimeLoop
from flashbus.testing.waiting import wait_until

__all__ = [
    "ConsumerHarness",
    "CountingObserver",
    "FakeQueue",
    "FakeTopic",
    "StoredMessage",
    "VirtualTimeLoop",
    "loop_time",
    "wait_until",
]
