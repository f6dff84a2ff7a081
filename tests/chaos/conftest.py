"""What the chaos runs say, and the seed of their faults."""

from collections.abc import Callable

import pytest

from tests.chaos.report import Report, begin


@pytest.hookimpl(trylast=True)  # when there is a terminal
def pytest_configure(config: pytest.Config) -> None:
    """In every process of the run."""
    begin(config)


@pytest.fixture
def chaos_report(record_property: Callable[[str, object], None]) -> Report:
    """Where a test says what it saw; it is told when the test has ended."""
    return Report(record=record_property)
