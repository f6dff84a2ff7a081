"""Under SnapStart one initialisation is the memory of many environments; here a fork of the process stands for it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

# Lambda's own module, as far as it is used: what is registered is called in each environment.
HOOKS = """
called_after_restore = []
def register_after_restore(function):
    called_after_restore.append(function)
"""
IMPORT = """
import json, os, random, sys, time
from types import SimpleNamespace
from lambda_handler.main import handler
context = SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=lambda: 3000)
def first_event():
    handler({"Records": []}, context)
    return {"owner": handler._consumer.record_settler.settler._owner, "random": random.random()}
"""
ENVIRONMENTS = """
time.sleep(0.5)  # the snapshot waits for somebody to need it
state = random.getstate()
for _ in range(2):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        random.setstate(state)  # a fork renews it, a restore does not
        for restored in RESTORED:
            restored()
        print(json.dumps(first_event()), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""
WITH_HOOKS = ENVIRONMENTS.replace("RESTORED", "__import__('snapshot_restore_py').called_after_restore")
WITHOUT_HOOKS = ENVIRONMENTS.replace("RESTORED", "()")
OPEN_CONNECTIONS = """
import socket
families = []
for name in os.listdir("/proc/self/fd"):
    try:
        with socket.socket(fileno=os.dup(int(name))) as copy:
            families.append(copy.family)
    except OSError:
        pass
print(json.dumps([family.name for family in families if family != socket.AF_UNIX]))
"""


def run(program: str, **variables: str) -> list[Any]:
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
        "AWS_REGION": "eu-central-1",
        "ORDERS_TABLE": "orders",
        "GATEWAY_URL": "http://gateway.test",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    } | variables
    argv = [sys.executable, "-W", "error", "-c", IMPORT + program]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=60)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def hooks(tmp_path: Path) -> str:
    (tmp_path / "snapshot_restore_py.py").write_text(HOOKS)
    return str(tmp_path)


def test_restored_environments_are_different_owners_and_draw_different_numbers(hooks: str) -> None:
    lines = run(WITH_HOOKS, PYTHONPATH=hooks)
    one, other = [line for line in lines if "owner" in line]
    assert one["owner"] != other["owner"]
    assert one["random"] != other["random"]


def test_they_are_also_where_no_hook_is_called() -> None:
    one, other = [line for line in run(WITHOUT_HOOKS) if "owner" in line]
    assert one["owner"] != other["owner"]
    assert one["random"] != other["random"]


def test_the_cold_start_of_a_restored_environment_begins_with_its_restore(hooks: str) -> None:
    starts = [line for line in run(WITH_HOOKS, PYTHONPATH=hooks) if line.get("event") == "cold_start"]
    assert len(starts) == 2
    assert all(0 <= start["init_seconds"] < 0.2 for start in starts)


def test_without_a_hook_the_restore_is_not_known_and_no_figure_is_given() -> None:
    starts = [line for line in run(WITHOUT_HOOKS) if line.get("event") == "cold_start"]
    assert [set(start) for start in starts] == [{"event", "request_id"}] * 2


class Credentials(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        Credentials.asked += 1
        body = {"AccessKeyId": "x", "SecretAccessKey": "x", "Token": "x", "Expiration": "2100-01-01T00:00:00Z"}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_arguments: object) -> None:
        """Write nothing."""


@pytest.fixture
def credentials() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Credentials)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/credentials"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux lists what is open")
def test_the_snapshot_holds_no_connection(credentials: str) -> None:
    # As under SnapStart credentials come over HTTP while the clients are opened.
    variables = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nonexistent"}
    (families,) = run(OPEN_CONNECTIONS, AWS_CONTAINER_CREDENTIALS_FULL_URI=credentials, **variables)
    assert families == []
    assert Credentials.asked
