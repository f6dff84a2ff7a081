"""A line that cannot be written is counted and told of; it neither waits nor raises."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from lambda_handler.json_log import JsonLog


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    yield reader, stream
    try:
        stream.close()
        os.close(reader)
    except OSError:
        pass  # the test closed it


def lines(reader: int) -> list[dict[str, object]]:
    return [json.loads(line) for line in os.read(reader, 1_000_000).splitlines()]


def test_lines_are_json_without_the_fields_that_are_none(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    JsonLog(stream).write("record_consumed", done=True, attempt=None, error=ValueError("\ud800 no"), seconds=0.5)
    assert lines(reader) == [{"event": "record_consumed", "done": True, "error": "\ud800 no", "seconds": 0.5}]


def test_a_pipe_that_nobody_reads_holds_nobody_up_and_the_loss_is_told(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = JsonLog(stream)
    for number in range(2_000):
        log.write("record_consumed", number=number, text="x" * 200)
    kept = lines(reader)
    assert [line["number"] for line in kept] == list(range(len(kept)))
    log.write("after")
    assert lines(reader) == [{"event": "log_lines_dropped", "count": 2_000 - len(kept)}, {"event": "after"}]


def told_by_the_next_line(log: JsonLog, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What the log writes next, to a stream that takes it."""
    sound = io.StringIO()
    monkeypatch.setattr(log, "_stream", sound)
    log.write("after")
    return [json.loads(line) for line in sound.getvalue().splitlines()]


LOSS_OF_ONE = [{"event": "log_lines_dropped", "count": 1}, {"event": "after"}]


def test_a_closed_pipe_fails_nobody_and_the_loss_is_told(
    pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, stream = pipe
    log = JsonLog(stream)
    os.close(reader)
    log.write("record_consumed")
    assert told_by_the_next_line(log, monkeypatch) == LOSS_OF_ONE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
def test_a_full_device_fails_nobody_and_the_loss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as stream:
        log = JsonLog(stream)
        log.write("record_consumed")
    assert told_by_the_next_line(log, monkeypatch) == LOSS_OF_ONE


def test_a_closed_stream_fails_nobody_and_the_loss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    log = JsonLog(stream)
    log.write("record_consumed")
    assert told_by_the_next_line(log, monkeypatch) == LOSS_OF_ONE


def test_without_a_standard_output_nobody_fails_and_the_loss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    log = JsonLog()
    monkeypatch.setattr("sys.stdout", None)
    log.write("record_consumed")
    monkeypatch.setattr("sys.stdout", sound := io.StringIO())
    log.write("after")
    assert [json.loads(line) for line in sound.getvalue().splitlines()] == LOSS_OF_ONE


def test_every_loss_is_counted_from_the_last_that_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    log = JsonLog()
    for losses in (2, 1):
        monkeypatch.setattr("sys.stdout", None)
        for _ in range(losses):
            log.write("record_consumed")
        monkeypatch.setattr("sys.stdout", sound := io.StringIO())
        log.write("after")
        assert json.loads(sound.getvalue().splitlines()[0]) == {"event": "log_lines_dropped", "count": losses}


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("a bug")


def test_what_cannot_be_shown_fails_nobody_and_what_is_long_is_cut(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = JsonLog(stream)
    log.write("a", error=Unprintable(), text="x" * 100_000)
    log.write("b", **{f"field_{number}": "x" * 1_000 for number in range(10)})
    first, second = lines(reader)
    assert first == {"event": "a", "error": "Unprintable that fails with RuntimeError", "text": "x" * 1_000}
    assert (second["event"], set(second)) == ("b", {"event", "too_long"})


def test_lines_are_compact(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = JsonLog(stream)
    log.write("a", number=1, done=False)
    log.write("b", **{f"field_{number}": "x" * 1_000 for number in range(10)})
    first, second = os.read(reader, 1_000_000).decode().splitlines()
    assert first == '{"event":"a","number":1,"done":false}'
    assert second.startswith('{"event":"b","too_long":')
    assert " " not in second
