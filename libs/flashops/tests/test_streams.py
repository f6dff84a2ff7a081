"""A process whose output is full, stalled or closed works and ends as if it were not."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flashops.line_writer import LineWriter
from flashops.streams import GuardedStream, StandardStreams

BEGIN = """
import sys, structlog
from flashops.logs import configure_logging
from flashops.streams import guard_standard_streams
streams = guard_standard_streams()
configure_logging(service="s")
log = structlog.get_logger()
"""
# More than a pipe holds, so that a writer that waited would wait for ever.
CHATTER = """
for number in range(3_000):
    log.info("line", number=number, text="x" * 100)
"""
FILE = "open(sys.argv[1], 'w').write(str(streams.dropped))\n"
SECONDS = 30


def start(program: str, *arguments: str, stdout: int | None, stderr: int | None) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", BEGIN + program, *arguments], stdout=stdout, stderr=stderr
    )


def result(program: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-c", BEGIN + program]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603 - as above


def test_a_pipe_that_nobody_reads_neither_stalls_the_process_nor_its_end() -> None:
    program = CHATTER + "for _ in range(3_000): print('x' * 100, file=sys.stderr)\n"
    process = start(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        started = time.monotonic()
        assert process.wait(timeout=SECONDS) == 0
        assert time.monotonic() - started < SECONDS / 2
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("streams", ["stdout", "stderr", "both"])
def test_a_full_device_does_not_spoil_the_exit_status_and_its_losses_are_counted(tmp_path: Path, streams: str) -> None:
    counted = tmp_path / "counted"
    program = CHATTER + "print('text'); print('text', file=sys.stderr); import time; time.sleep(0.3)\n" + FILE
    with Path("/dev/full").open("wb") as full:
        process = start(
            program,
            str(counted),
            stdout=full.fileno() if streams != "stderr" else subprocess.DEVNULL,
            stderr=full.fileno() if streams != "stdout" else subprocess.DEVNULL,
        )
        assert process.wait(timeout=SECONDS) == 0
    assert int(counted.read_text()) == {"stdout": 3_001, "stderr": 1, "both": 3_002}[streams]


def test_a_closed_pipe_does_not_spoil_the_exit_status(tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    reader, writer = os.pipe()
    os.close(reader)
    process = start(CHATTER + "import time; time.sleep(0.3)\n" + FILE, str(counted), stdout=writer, stderr=writer)
    os.close(writer)
    assert process.wait(timeout=SECONDS) == 0
    assert int(counted.read_text()) == 3_000


def test_a_process_started_without_output_writes_to_nobody_elses_descriptor(tmp_path: Path) -> None:
    argv = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-c"]
    program = BEGIN + "f = open(sys.argv[2], 'w+')\n" + CHATTER + "import time; time.sleep(0.3)\n" + FILE
    counted, opened = tmp_path / "counted", tmp_path / "opened"
    done = subprocess.run([*argv, program, str(counted), str(opened)], check=False, timeout=SECONDS)  # noqa: S603
    assert done.returncode == 0
    assert opened.read_text() == ""
    assert int(counted.read_text()) == 3_000


def test_every_line_arrives_in_its_sequence_where_somebody_reads() -> None:
    done = result(CHATTER)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["number"] for line in done.stdout.splitlines()] == list(range(3_000))


def test_a_loss_is_told_in_one_line_once_somebody_reads_again(tmp_path: Path) -> None:
    loop = "for number in range(60_000): log.info('line', text='x' * 100)\nlog.info('last')\n"
    program = loop + "open(sys.argv[1], 'w').close()\nsys.stdin.read()\n"
    written = tmp_path / "written"
    argv = [sys.executable, "-c", BEGIN + program, str(written)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        assert process.stdin is not None
        ended = time.monotonic() + SECONDS
        while not written.exists() and time.monotonic() < ended:  # the pipe and the buffer fill
            time.sleep(0.05)
        lines = [json.loads(process.stdout.readline())]
        while lines[-1]["event"] == "line":
            lines.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        rest = process.stdout.read()
    told = lines[-1]
    assert (told["event"], told["level"], told["service"]) == ("log_lines_dropped", "warning", "s")
    assert told["count"] + len(lines) - 1 == 60_001
    assert rest == ""


def test_a_traceback_and_its_status_come_through() -> None:
    done = result("log.info('before')\nraise ValueError('a bug')\n")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("ValueError: a bug\n")


def test_a_message_of_system_exit_and_its_status_come_through() -> None:
    done = result("raise SystemExit('no such table')\n")
    assert (done.returncode, done.stderr) == (1, "no such table\n")


def test_text_without_the_end_of_its_line_is_not_lost() -> None:
    done = result("print('a', end='', flush=True); print('b\\nc', end='')\nsys.stderr.write('\\udc80')\n")
    assert (done.stdout, done.stderr) == ("ab\nc\n", "\\udc80\n")


def test_output_and_errors_on_one_pipe_keep_their_sequence() -> None:
    program = "for n in range(2_000):\n    print(n, file=(sys.stdout, sys.stderr)[n % 2])\n"
    argv = [sys.executable, "-c", BEGIN + program]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)  # noqa: S603
    assert [int(line) for line in done.stdout.splitlines()] == list(range(2_000))


class Lines(LineWriter):
    """Keeps what it is given, and how long it may take at the end."""

    def __init__(self, *, lost: int = 0) -> None:
        self.written: list[bytes] = []
        self.allowed: list[float] = []
        self._dropped = lost

    def write(self, line: bytes) -> None:
        self.written.append(line)

    def close(self, *, timeout_seconds: float) -> None:
        self.allowed.append(timeout_seconds)


def test_text_without_an_end_is_held_back_up_to_a_length() -> None:
    lines = Lines()
    stream = GuardedStream(lines, descriptor=1)
    assert stream.write("x" * 65_536) == 65_536
    assert lines.written == []
    assert stream.write("y") == 1
    assert lines.written == [b"x" * 65_536 + b"y\n"]
    stream.end_line()
    assert len(lines.written) == 1


def test_whoever_asks_is_told_where_the_text_goes_and_how() -> None:
    stream = GuardedStream(Lines(), descriptor=2)
    assert (stream.fileno(), stream.encoding, stream.writable()) == (2, "utf-8", True)


def test_both_streams_have_a_second_for_what_waits_and_their_losses_are_added() -> None:
    one, other = Lines(lost=2), Lines(lost=3)
    streams = StandardStreams(
        [GuardedStream(one, descriptor=1), GuardedStream(one, descriptor=2), GuardedStream(other, descriptor=2)]
    )
    assert streams.dropped == 5
    streams.close()
    assert [len(one.allowed), len(other.allowed)] == [1, 1]
    assert all(0 <= seconds <= 1 for seconds in (*one.allowed, *other.allowed))
    assert max(*one.allowed, *other.allowed) > 0
