"""What every test folder may use."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, signed by itself, in one file with its key."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(  # noqa: S603 - fixed arguments
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",  # noqa: S607 - found on the path
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    whole = folder / "both.pem"
    whole.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return whole


def pytest_configure() -> None:
    """Take Ctrl-C: a shell that runs the tests in the background has them, and what they start, ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long tests last: what is broken shows in the quick ones first, and a mutant costs seconds.

    Where several processes share the tests they come first: at the end, one process would be left alone with them.
    """
    are_shared = hasattr(config, "workerinput")
    items.sort(key=lambda item: (item.get_closest_marker("long") is None) is are_shared)
