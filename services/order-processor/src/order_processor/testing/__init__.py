"""Fakes for tests and benchmarks: a queue in memory, and a processor joined to fakes on every side."""

from order_processor.testing.queue import FakeQueue, StoredMessage, loop_time
from order_processor.testing.rig import Rig
from order_processor.testing.virtual_time import VirtualTimeLoop

__all__ = ["FakeQueue", "Rig", "StoredMessage", "VirtualTimeLoop", "loop_time"]
