"""Tests run in virtual time, except those that talk over real sockets."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import pytest

from flashbus.testing import VirtualTimeLoop


def pytest_asyncio_loop_factories(
    config: pytest.Config,  # noqa: ARG001 - the hook's signature
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    if any(item.get_closest_marker(name) is not None for name in ("embedded_aws", "real_time")):
        return {"real time": asyncio.SelectorEventLoop}
    return {"virtual time": VirtualTimeLoop}


class EmbeddedAws(Protocol):
    """What the root's `embedded_aws` fixture gives."""

    @property
    def environment(self) -> dict[str, str]: ...


@pytest.fixture
def aws(embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point every AWS client that a test opens at the embedded AWS."""
    for name, value in embedded_aws.environment.items():
        monkeypatch.setenv(name, value)
