"""For tests and benchmarks: a processor joined to fakes on every side, and the fakes of the bus that it uses."""

from flashbus.testing import FakeQueue, StoredMessage, VirtualTimeLoop, loop_time
from order_processor.testing.rig import Rig

__all__ = ["FakeQueue", "Rig", "StoredMessage", "VirtualTimeLoop", "loop_time"]
