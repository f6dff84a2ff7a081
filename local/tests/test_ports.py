"""Ports for services: free, and of nobody else until the service listens."""

import socket
import subprocess
import sys
from pathlib import Path

from local.ports import free_port

PROJECT = Path(__file__).parents[2]


def test_no_two_are_the_same_and_none_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)):
        ports = [free_port() for _ in range(200)]
        assert len(set(ports)) == 200
        for port in ports[:20]:
            socket.create_server(("127.0.0.1", port)).close()


def test_a_port_that_is_taken_is_passed_over() -> None:
    first = free_port()
    with socket.create_server(("127.0.0.1", first + 1)):
        assert free_port() != first + 1


def test_a_port_that_another_process_was_given_is_passed_over_before_its_service_is_there() -> None:
    given = free_port()
    ask = f"from local import ports; ports._candidates = iter([{given}, {given}, 32001]); print(ports.free_port())"
    command = [sys.executable, "-c", ask]
    asked = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert int(asked.stdout) == 32001


def test_no_connection_to_somewhere_gets_one_as_its_near_end() -> None:
    ports = {free_port() for _ in range(100)}
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(ephemeral.read_text().split()[0]) if ephemeral.exists() else 49_152  # macOS's
    assert max(ports) < lowest
