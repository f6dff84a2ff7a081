"""The garbage collector, told what is never garbage, and to come less often."""

import gc

# Requests and messages are garbage of reference counting, but for a cycle here and there: with the interpreter's 700
# young objects a collection came every few requests and found next to nothing.
_YOUNG_OBJECTS = 10_000


def relax_garbage_collection() -> None:
    """Leave what is loaded out of every later collection, and let more objects grow up between two.

    Called once everything is wired: a full collection would walk some hundred thousand objects of libraries.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
