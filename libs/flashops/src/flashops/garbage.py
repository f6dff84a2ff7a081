"""The garbage collector, told what is never garbage, and to come less often."""

import gc

# Requests and messages are garbage of reference counting, but for a cycle here and there: with the interpreter's 700
# young objects a collection came every few requests and found next to nothing.
_YOUNG_OBJECTS = 10_000
# A message being worked keeps 65 objects with its ledger and its gateway in memory, more with real ones. Where a
# thousand begin and end together, that many come and go: no reason to look for garbage among them.
_YOUNG_OBJECTS_OF_EACH = 200


def relax_garbage_collection(*, at_once: int = 0) -> None:
    """Leave what is loaded out of every later collection, and let more objects grow up between two.

    Called once everything is wired: a full collection would walk some hundred thousand objects of libraries.

    Args:
        at_once: How many messages are worked at once, at most, whose objects are not to bring a collection about.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS + at_once * _YOUNG_OBJECTS_OF_EACH, *gc.get_threshold()[1:])
