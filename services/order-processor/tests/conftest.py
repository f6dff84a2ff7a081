"""Tests run in virtual time, except those that talk to the embedded AWS."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from order_processor.testing import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.get_closest_marker("embedded_aws") is not None:
        return {"real time": asyncio.SelectorEventLoop}
    return {"virtual time": VirtualTimeLoop}
