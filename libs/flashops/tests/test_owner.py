import os
import socket

from flashops.owner import owner_name


def test_an_owner_names_service_host_and_process() -> None:
    assert owner_name("order-api") == f"order-api/{socket.gethostname()}:{os.getpid()}"
