"""Standard output and standard error that can be full, stalled or closed without harm to the process."""

import atexit
import errno
import io
import os
import sys
import threading
import time
from functools import partial
from typing import NoReturn, TextIO

import structlog

from flashops.line_writer import LineWriter

_OUTPUT, _ERRORS = 1, 2
# Both streams together; the container's own deadline is not far.
_FLUSH_SECONDS = 1.0
# Text without a newline that is not held back any longer.
_LONGEST_PART = 65_536


class GuardedStream(io.TextIOBase, TextIO):
    """A text stream that hands whole lines to a `LineWriter`; it never blocks and never raises OSError."""

    def __init__(self, lines: LineWriter, *, descriptor: int) -> None:
        """`descriptor` is what `fileno` tells those who ask where the lines go."""
        super().__init__()
        self.lines = lines
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._part = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the stub has an attribute
        """How text becomes bytes."""
        return "utf-8"

    def fileno(self) -> int:
        """The descriptor that the lines go to."""
        return self._descriptor

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def write(self, text: str) -> int:
        """Take text; it leaves with the end of its line."""
        with self._lock:
            self._part += text
            if "\n" in text:
                whole, _, self._part = self._part.rpartition("\n")
                self._send(whole)
            elif len(self._part) > _LONGEST_PART:
                self.end_line()
        return len(text)

    def end_line(self) -> None:
        """Let text leave whose line has not ended, as a line."""
        with self._lock:
            if self._part:
                whole, self._part = self._part, ""
                self._send(whole)

    def _send(self, whole: str) -> None:
        self.lines.write(whole.encode(errors="backslashreplace") + b"\n")


class StandardStreams:
    """The guarded streams of this process."""

    def __init__(self, streams: list[GuardedStream]) -> None:
        self._streams = streams

    @property
    def dropped(self) -> int:
        """How many lines were lost so far."""
        return sum(lines.dropped for lines in self._writers())

    def close(self) -> None:
        """Write what waits, for a second at most."""
        deadline = time.monotonic() + _FLUSH_SECONDS
        for stream in self._streams:
            stream.end_line()
        for lines in self._writers():
            lines.close(timeout_seconds=max(0.0, deadline - time.monotonic()))

    def _writers(self) -> set[LineWriter]:
        return {stream.lines for stream in self._streams}


def guard_standard_streams() -> StandardStreams:
    """Put guarded streams in the place of `sys.stdout` and `sys.stderr` for the rest of the process.

    Call it once, first of all: tracebacks, usage messages, warnings and prints are then as harmless as log lines.
    What waits at the exit is written for a second at most, and the exit status is what it was. A terminal is left
    as it is.
    """
    output, errors = sys.stdout, sys.stderr
    one_file = output is not None and errors is not None and os.path.sameopenfile(_OUTPUT, _ERRORS)
    sys.stdout = _guarded(output, _OUTPUT)
    if one_file and isinstance(sys.stdout, GuardedStream):
        # One thread for one pipe, or the lines of two would mix.
        sys.stderr = GuardedStream(sys.stdout.lines, descriptor=_ERRORS)
    else:
        sys.stderr = _guarded(errors, _ERRORS)
    guarded = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, GuardedStream)]
    streams = StandardStreams(guarded)
    atexit.register(streams.close)
    return streams


def _guarded(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        # Closed before we began: by now its number may be a socket's.
        return GuardedStream(LineWriter(sink=_nowhere), descriptor=descriptor)
    if stream.isatty():
        return stream
    lines = LineWriter(sink=partial(os.write, descriptor), on_recovery=_tell_of_loss)
    return GuardedStream(lines, descriptor=descriptor)


def _tell_of_loss(lines: int) -> None:
    structlog.get_logger().warning("log_lines_dropped", count=lines)


def _nowhere(_data: bytes) -> NoReturn:
    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
