"""For tests and benchmarks: a processor joined to fakes on every side, and the fakes of the bus that it uses."""

from flashbus.testing import FakeQueue, StoredMessage, VirtualTimeLoop, loop_time
from order_processor.testing.harness import ProcessorHarness

__all__ = ["FakeQueue", "ProcessorHarness", "StoredMessage", "VirtualTimeLoop", "loop_time"]
