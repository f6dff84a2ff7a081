"""After the start the collector has less to do."""

import gc
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


def test_collections_come_less_often_and_still_come() -> None:
    young, *others = gc.get_threshold()
    relax_garbage_collection()
    assert gc.get_threshold()[0] > young > 0
    assert list(gc.get_threshold()[1:]) == others
    assert gc.isenabled()
