"""The real payment gateway, as a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.ports import free_port
from local.processes import service_process


@pytest.fixture(scope="module")
def gateway_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real payment gateway, started once for this file."""
    folder = tmp_path_factory.mktemp("gateway")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with service_process(
        "payment_gateway",
        name="payment gateway",
        environment={
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "CHARGE_STORE_PATH": str(folder / "gateway.sqlite3"),
            "LATENCY_SECONDS": "0",
        },
        log_path=Path(folder) / "gateway.log",
        ready_url=f"{url}/readyz",
    ):
        yield url
