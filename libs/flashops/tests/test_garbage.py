"""After the start the collector has less to do."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from flashops.garbage import relax_garbage_collection


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """What this process's other tests run with."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_what_is_loaded_is_left_alone() -> None:
    relax_garbage_collection()
    assert gc.get_freeze_count() > 1_000


class Circle:
    def __init__(self) -> None:
        self.itself = self


def test_what_is_garbage_already_is_not_kept_with_it() -> None:
    gc.disable()
    try:
        garbage = weakref.ref(Circle())
        assert garbage() is not None
        relax_garbage_collection()
        assert garbage() is None
    finally:
        gc.enable()


def test_collections_come_less_often_and_still_come() -> None:
    young, *others = gc.get_threshold()
    relax_garbage_collection()
    assert gc.get_threshold()[0] > young > 0
    assert list(gc.get_threshold()[1:]) == others
    assert gc.isenabled()


def test_what_begins_and_ends_together_brings_no_collection_about() -> None:
    relax_garbage_collection(at_once=1_000)
    collections = sum(generation["collections"] for generation in gc.get_stats())
    for _burst in range(20):
        held = [Circle() for _ in range(1_000 * 50)]
        for circle in held:
            del circle.itself
    assert sum(generation["collections"] for generation in gc.get_stats()) == collections
