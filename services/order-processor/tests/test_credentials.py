"""The one-off commands without credentials: one sentence, and the exit status of what could not be done."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

EXPIRED = """{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "s", "SessionToken": "t",
 "Expiration": "2001-01-01T00:00:00Z"}"""
PLACES = {
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1:1/dead",
    "GATEWAY_URL": "http://127.0.0.1:1",
    "ORDERS_TABLE": "orders",
    "ORDERS_TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:orders",
}


async def run(command: str, *arguments: str, config: Path) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", command, *arguments,
        env={"PATH": os.environ["PATH"], **PLACES, "AWS_CONFIG_FILE": str(config)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def config_of(folder: Path, printed: str | None) -> Path:
    """A configuration whose credentials come of a program that prints this, or that there is not."""
    config, keys = folder / "config", folder / "keys"
    keys.write_text(printed or "")
    program = "no-such-program" if printed is None else f"cat {keys}"
    config.write_text(f"[default]\ncredential_process = {program}\n")
    return config


@pytest.mark.parametrize(
    ("command", "arguments"), [("order_processor.dlq", ["list"]), ("order_processor.reconcile", [])]
)
@pytest.mark.parametrize(
    ("printed", "why"),
    [(EXPIRED, "still expired"), ("no JSON", "JSONDecodeError"), (None, "FileNotFoundError")],
)
async def test_credentials_that_cannot_be_had_end_a_command_in_one_sentence(
    tmp_path: Path, command: str, arguments: list[str], printed: str | None, why: str
) -> None:
    status, out, err = await run(command, *arguments, config=config_of(tmp_path, printed))
    assert status == 1, err
    assert "Traceback" not in out + err
    # Once the reconciler is at work it says in its log what goes wrong.
    tellers = (f"python -m {command}: ", "orders_not_found")
    said = [line for line in (out + err).splitlines() if why in line and any(map(line.__contains__, tellers))]
    assert len(said) == 1, out + err


@pytest.mark.parametrize(
    ("command", "arguments"), [("order_processor.dlq", ["list"]), ("order_processor.reconcile", [])]
)
async def test_without_any_credentials_it_is_the_same(tmp_path: Path, command: str, arguments: list[str]) -> None:
    status, out, err = await run(command, *arguments, config=tmp_path / "absent")
    assert (status, "Unable to locate credentials" in out + err, "Traceback" in err) == (1, True, False)
