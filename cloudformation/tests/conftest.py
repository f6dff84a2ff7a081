"""What the tests of this folder share."""

from pathlib import Path

import pytest

from cloudformation.artifact import build_local_artifact


@pytest.fixture(scope="session")
def local_artifact() -> Path:
    """The function's zip for this interpreter; built once, or found from the last run."""
    return build_local_artifact()
