"""The examples run, and the README shows what runs."""

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from flashbus.clients import aws_client
from flashbus.testing import wait_until

LIBRARY = Path(__file__).resolve().parent.parent
AUDIT_EVENTS = LIBRARY / "examples" / "audit_events.py"


@dataclass(frozen=True, kw_only=True)
class Bus:
    """A topic, the queue behind it and the queue of dead letters."""

    sqs: Any
    topic_arn: str
    queue_url: str
    dead_letter_queue_url: str

    @property
    def variables(self) -> dict[str, str]:
        return {
            **os.environ,
            "TOPIC_ARN": self.topic_arn,
            "QUEUE_URL": self.queue_url,
            "DEAD_LETTER_QUEUE_URL": self.dead_letter_queue_url,
        }


@pytest.fixture
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    request.getfixturevalue("aws")
    name = f"audit-{uuid4().hex[:8]}"
    async with aws_client("sns") as sns, aws_client("sqs") as sqs:
        topic_arn = (await sns.create_topic(Name=name))["TopicArn"]
        dead = (await sqs.create_queue(QueueName=f"{name}-dead"))["QueueUrl"]
        queue = (await sqs.create_queue(QueueName=name))["QueueUrl"]
        answer = await sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        await sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=answer["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        yield Bus(sqs=sqs, topic_arn=topic_arn, queue_url=queue, dead_letter_queue_url=dead)


@asynccontextmanager
async def running(bus: Bus, *arguments: str, lines: Sequence[str] = ()) -> AsyncIterator[Process]:
    """The example as a process; whatever happens it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(AUDIT_EVENTS), *arguments, env=bus.variables, stdin=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    process.stdin.write("\n".join(lines).encode())
    process.stdin.close()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def kept(folder: Path) -> list[str]:
    return sorted(path.read_text() for path in folder.iterdir())


@pytest.mark.embedded_aws
async def test_audit_events_are_published_kept_and_dead_lettered(bus: Bus, tmp_path: Path) -> None:
    events = [json.dumps({"event_id": str(uuid4()), "who": "admin", "did": f"thing {n}"}) for n in range(25)]
    poison = '{"event_id": "../../etc/passwd"}'
    async with running(bus, "record", lines=[*events, poison]) as recorder:
        assert await recorder.wait() == 0
    async with running(bus, "keep", str(tmp_path)) as keeper:
        await wait_until(lambda: len(kept(tmp_path)) == 25, longest=timedelta(seconds=30))
        answer = await bus.sqs.receive_message(
            QueueUrl=bus.dead_letter_queue_url, WaitTimeSeconds=4, MessageAttributeNames=["All"]
        )
        keeper.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(keeper.wait(), timeout=30) == 0
    assert kept(tmp_path) == sorted(events)
    (dead,) = answer["Messages"]
    assert dead["Body"] == poison
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert attributes["dead_letter_reason"] == "malformed"
    assert attributes["type"] == "audit"
    left = await bus.sqs.get_queue_attributes(QueueUrl=bus.queue_url, AttributeNames=["All"])
    counts = {name: count for name, count in left["Attributes"].items() if name.startswith("ApproximateNumberOf")}
    assert set(counts.values()) == {"0"}


def test_the_readme_shows_what_the_examples_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (LIBRARY / "README.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert block in AUDIT_EVENTS.read_text()
