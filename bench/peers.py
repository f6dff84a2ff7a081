"""Other projects' consumers, each in an environment of its own: found where `make peers` has installed them."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.processes import PROJECT

_PYTHON = PROJECT / ".venv-peers" / "bin"
_NODE = PROJECT / "bench" / "contenders" / "sqs_consumer"
_SLOTS = "100"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A consumer of somebody else's.

    Attributes:
        name: The project's.
        command: Runs it with a hundred slots, as its documentation advises for work that waits.
        body: Of a message that it understands.
        must: The bound for our CPU per message ÷ its.
    """

    name: str
    command: Sequence[str]
    body: str
    must: float


def installed() -> Iterator[Peer]:
    """The peers that are there."""
    if (_PYTHON / "celery").exists():
        worker = ["worker", "--pool", "gevent", "--concurrency", _SLOTS, "--queues", "orders", "--loglevel", "ERROR"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        yield _python("celery", "celery_tasks", ["-A", "bench.contenders.celery_tasks", *worker, *quiet])
        tasks = ["--processes", "1", "--threads", _SLOTS, "bench.contenders.dramatiq_tasks"]
        yield _python("dramatiq", "dramatiq_tasks", tasks)
        broker = ["worker", "bench.contenders.taskiq_tasks:broker", "--workers", "1", "--max-async-tasks", _SLOTS]
        yield _python("taskiq", "taskiq_tasks", [*broker, "--log-level", "ERROR"])
    if (_NODE / "node_modules").exists():
        # Not written in Python: no bound was set for it but to be ahead.
        yield Peer(name="sqs-consumer", command=["node", str(_NODE / "consumer.mjs")], body="{}", must=1.0)


def _python(name: str, module: str, arguments: Sequence[str]) -> Peer:
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "us-east-1"}
    printed = subprocess.run(  # noqa: S603 - our own module
        [str(_PYTHON / "python"), "-m", f"bench.contenders.{module}"],
        cwd=PROJECT,
        env={**os.environ, **keys},
        check=True,
        capture_output=True,
        text=True,
    )
    return Peer(name=name, command=[str(_PYTHON / name), *arguments], body=printed.stdout.strip(), must=1 / 3)
