"""Whoever writes a line neither waits for it nor fails by it, and what is lost is counted."""

import errno
import os
import select
import threading
import time
from collections.abc import Callable

import pytest

from flashops.line_writer import _LINGER_SECONDS, LineWriter

PATIENCE_SECONDS = 10


class Sink:
    """Where lines go: takes all, or stalls, fails or takes a part when told to."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.open = threading.Event()
        self.open.set()
        self.errors: list[Exception] = []
        self.parts: list[int] = []
        self.pieces: list[bytes] = []

    def __call__(self, data: bytes) -> int:
        self.open.wait()
        self.pieces.append(data)
        if self.parts:
            data = data[: self.parts.pop(0)]
        elif self.errors:
            raise self.errors.pop(0)
        self.taken += data
        return len(data)

    @property
    def lines(self) -> list[bytes]:
        return bytes(self.taken).splitlines()


def wait_until(predicate: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def held_up() -> tuple[Sink, LineWriter]:
    """A writer whose sink holds on to its first line: the next ones wait until the sink is open."""
    sink = Sink()
    sink.open.clear()
    writer = LineWriter(sink=sink)
    writer.write(b"begin\n")
    wait_until(lambda: not writer._lines)
    return sink, writer


@pytest.mark.parametrize("error", [ValueError("closed file"), MemoryError()], ids=repr)
def test_an_error_that_nobody_foresaw_loses_its_lines_and_not_all_later_ones(error: Exception) -> None:
    sink = Sink()
    sink.errors = [error]
    writer = LineWriter(sink=sink)
    writer.write(b"lost\n")
    wait_until(lambda: writer.dropped == 1)
    writer.write(b"kept\n")
    wait_until(lambda: sink.lines == [b"kept"])


def test_who_fails_at_being_told_of_a_loss_costs_no_lines() -> None:
    def fail(_lines: int) -> None:
        raise RuntimeError("no logger")

    sink = Sink()
    sink.errors = [OSError(errno.EPIPE, "gone")]
    writer = LineWriter(sink=sink, on_recovery=fail)
    writer.write(b"lost\n")
    wait_until(lambda: writer.dropped == 1)
    writer.write(b"kept\n")
    wait_until(lambda: sink.lines == [b"kept"])
    writer.write(b"kept too\n")
    wait_until(lambda: sink.lines == [b"kept", b"kept too"])


def test_lines_leave_in_their_sequence_and_whole() -> None:
    sink = Sink()
    writer = LineWriter(sink=sink)
    expected = [b"%d %s" % (number, b"x" * (number % 5000)) for number in range(500)]
    for line in expected:
        writer.write(line + b"\n")
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert sink.lines == expected
    assert writer.dropped == 0


def test_lines_of_several_threads_do_not_mix() -> None:
    sink = Sink()
    writer = LineWriter(sink=sink)

    def write(name: bytes) -> None:
        for number in range(300):
            writer.write(name * 50 + b" %d\n" % number)

    threads = [threading.Thread(target=write, args=(name,)) for name in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    for name in (b"a", b"b", b"c"):
        assert [line for line in sink.lines if line[:1] == name] == [name * 50 + b" %d" % n for n in range(300)]
    assert len(sink.lines) == 900


def test_a_stalled_sink_holds_nobody_up_and_loses_the_newest_lines_counted() -> None:
    sink, told = Sink(), list[int]()
    sink.open.clear()
    writer = LineWriter(sink=sink, on_recovery=told.append, capacity_bytes=1_000)
    writer.write(b"%09d\n" % 0)
    wait_until(lambda: not writer._lines)  # the sink has it: from here on nothing leaves the buffer
    started = time.monotonic()
    for number in range(1, 10_000):
        writer.write(b"%09d\n" % number)
    assert time.monotonic() - started < PATIENCE_SECONDS / 2
    assert 9_000 < writer.dropped < 10_000
    assert told == []
    sink.open.set()
    wait_until(lambda: told)
    writer.write(b"after\n")
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    kept = 10_000 - writer.dropped
    assert sink.lines == [b"%09d" % number for number in range(kept)] + [b"after"]
    assert told == [writer.dropped]


def test_a_failing_sink_loses_lines_counted_and_tells_of_it_once_when_it_works_again() -> None:
    sink, told = Sink(), list[int]()
    sink.errors = [OSError(errno.ENOSPC, "full")] * 2
    writer = LineWriter(sink=sink, on_recovery=told.append)
    for count in (1, 2):
        writer.write(b"lost\n")
        wait_until(lambda count=count: writer.dropped == count)  # type: ignore[misc]
    for _ in range(2):
        writer.write(b"kept\n")
        wait_until(lambda: sink.lines[-1:] == [b"kept"])
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert told == [2]


def test_a_line_cut_by_a_failure_is_finished_before_the_next_one() -> None:
    sink, writer = held_up()
    for line in (b"first\n", b"second\n", b"third\n"):
        writer.write(line)
    sink.parts, sink.errors = [6, 9], [OSError(errno.ENOSPC, "full")] * 2
    sink.open.set()
    wait_until(lambda: writer.dropped == 1)
    writer.write(b"lost\n")
    wait_until(lambda: writer.dropped == 2)
    writer.write(b"after\n")
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert sink.lines == [b"begin", b"first", b"second", b"after"]


def test_a_line_waits_a_moment_for_company_and_not_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, pauses = Sink(), list[float]()
    monkeypatch.setattr("flashops.line_writer.time.sleep", pauses.append)
    writer = LineWriter(sink=sink)
    for count in (1, 2):  # `wait_until` would sleep, too
        writer.write(b"line\n")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(sink.lines) < count:
            assert time.monotonic() < deadline
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert pauses == [_LINGER_SECONDS] * 2


def test_what_comes_while_lines_are_written_waits_for_company_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    events = list[str]()
    monkeypatch.setattr("flashops.line_writer.time.sleep", lambda _seconds: events.append("linger"))

    def sink(data: bytes) -> int:
        events.append(data.decode().strip())
        if data == b"one\n":
            writer.write(b"three\n")  # "two" waits: nobody wakes the thread for this one
        return len(data)

    monkeypatch.setattr("flashops.line_writer._ONE_PIECE_BYTES", 4)
    writer = LineWriter(sink=sink)
    with writer._lock:
        writer.write(b"one\n")
        writer.write(b"two\n")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "three" not in events:
        assert time.monotonic() < deadline
    assert events == ["linger", "one", "two", "linger", "three"]
    writer.write(b"four\n")
    while "four" not in events:
        assert time.monotonic() < deadline
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert events[5:] == ["linger", "four"]


def test_a_loss_is_told_of_although_lines_never_end() -> None:
    sink, told = Sink(), list[int]()
    sink.errors = [OSError(errno.ENOSPC, "full")]

    def endless(data: bytes) -> int:
        if not told:
            writer.write(b"more\n")
        return sink(data)

    writer = LineWriter(sink=endless, on_recovery=told.append)
    writer.write(b"lost\n")
    wait_until(lambda: told)
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert told == [1]


def test_lines_leave_together_as_far_as_a_pipe_takes_them_in_one_piece() -> None:
    sink, writer = held_up()
    half, long = b"h" * (select.PIPE_BUF // 2 - 1) + b"\n", b"l" * select.PIPE_BUF + b"\n"
    for line in (half, half, half, b"\n", long, half):
        writer.write(line)
    sink.open.set()
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert sink.pieces == [b"begin\n", half * 2, half + b"\n", long, half]


def test_four_mebibytes_wait_and_not_a_byte_more() -> None:
    sink, writer = held_up()
    writer.write(bytes(4 * 1024 * 1024 - 1) + b"\n")
    assert writer.dropped == 0
    writer.write(b"\n")
    assert writer.dropped == 1
    sink.open.set()
    writer.close(timeout_seconds=PATIENCE_SECONDS)


def test_a_full_pipe_is_tried_again_often_enough_for_the_last_second_of_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink, pauses = Sink(), list[float]()
    sink.errors = [BlockingIOError()] * 3
    monkeypatch.setattr("flashops.line_writer.time.sleep", pauses.append)
    writer = LineWriter(sink=sink)
    writer.write(b"line\n")
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert sink.lines == [b"line"]
    tried_again = pauses[-3:]
    assert min(tried_again) > 0.01
    assert max(tried_again) < 0.1


def test_a_pipe_made_non_blocking_is_waited_for() -> None:
    sink = Sink()
    sink.errors = [BlockingIOError()] * 3
    writer = LineWriter(sink=sink)
    writer.write(b"line\n")
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert (sink.lines, writer.dropped) == ([b"line"], 0)


def test_the_end_does_not_wait_for_a_sink_that_stalls() -> None:
    sink = Sink()
    sink.open.clear()
    writer = LineWriter(sink=sink)
    writer.write(b"never\n")
    started = time.monotonic()
    writer.close(timeout_seconds=0.1)
    assert time.monotonic() - started < PATIENCE_SECONDS / 2
    writer.write(b"too late\n")
    assert writer.dropped == 1
    sink.open.set()


def test_what_tells_of_a_loss_may_write_and_is_still_written_at_the_end() -> None:
    sink = Sink()
    sink.open.clear()
    writer = LineWriter(sink=sink, on_recovery=lambda lost: writer.write(b"lost %d\n" % lost), capacity_bytes=20)
    writer.write(b"begin\n")
    wait_until(lambda: not writer._lines)
    writer.write(b"x" * 30 + b"\n")
    sink.open.set()
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert sink.lines == [b"begin", b"lost 1"]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # newer Pythons warn of the case itself
def test_a_forked_child_writes_its_own_lines_and_not_those_that_wait_in_the_parent() -> None:
    reader, descriptor = os.pipe()
    held = threading.Event()

    def sink(data: bytes) -> int:
        held.wait()
        return os.write(descriptor, data)

    writer = LineWriter(sink=sink)
    writer.write(b"on its way in the parent\n")
    wait_until(lambda: not writer._lines)
    writer.write(b"waits in the parent\n")
    child = os.fork()
    if child == 0:
        held.set()
        writer.write(b"child\n")
        writer.close(timeout_seconds=PATIENCE_SECONDS)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(reader, 1_000) == b"child\n"
    held.set()
    writer.close(timeout_seconds=PATIENCE_SECONDS)
    assert os.read(reader, 1_000) == b"on its way in the parent\nwaits in the parent\n"
    os.close(reader)
    os.close(descriptor)
