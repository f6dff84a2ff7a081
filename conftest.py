"""What every test folder may use."""

from collections.abc import Iterator

import hypothesis
import pytest

from local.emulator import RunningEmulator, blocking_emulator

# The machine may be busy: how long an example takes is no finding.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def embedded_aws() -> Iterator[RunningEmulator]:
    """The embedded AWS, started once per session; tests keep apart by the names of their resources."""
    with blocking_emulator() as running:
        yield running
