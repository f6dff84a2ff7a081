"""The lock can be installed whatever has been released since."""

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"


def _locked() -> dict[str, set[str]]:
    """Name to extras, of every pin in the lock."""
    pins = re.findall(r"^([a-zA-Z0-9][^ ;]*)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(pin.name): pin.extras for pin in map(Requirement, pins)}


def test_every_extra_that_a_locked_package_asks_for_is_locked() -> None:
    """Of a bare `coverage==…`, pip fetches the newest `coverage[toml]`, and refuses it for want of a hash."""
    locked = _locked()
    asked = [
        (canonicalize_name(requirement.name), extra)
        for package in distributions()
        if canonicalize_name(package.name) in locked
        for requirement in map(Requirement, package.requires or ())
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        for extra in requirement.extras
    ]
    assert ("coverage", "toml") in asked
    assert [(name, extra) for name, extra in asked if extra not in locked[name]] == []
