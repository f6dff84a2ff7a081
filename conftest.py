"""What every test folder may use."""

from collections.abc import Iterator

import pytest

from local.emulator import RunningEmulator, blocking_emulator


@pytest.fixture(scope="session")
def embedded_aws() -> Iterator[RunningEmulator]:
    """The embedded AWS, started once per session; tests keep apart by the names of their resources."""
    with blocking_emulator() as running:
        yield running
