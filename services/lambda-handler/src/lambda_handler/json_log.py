"""Log lines: one JSON object each, as CloudWatch Logs Insights and metric filters read them.

No structlog: a function writes one line per record and its import would cost every cold start (measured in
docs/decisions/0031). No thread either, as an environment is frozen between events: a line that would have to wait for
its reader is dropped, counted, and told of by the next one that is not.
"""

import json
import os
import select
import sys
from typing import TextIO

# A pipe that can take anything takes this much at once, without waiting and in one piece.
_LONGEST_LINE_BYTES = select.PIPE_BUF
_LONGEST_TEXT = 1_000


class JsonLog:
    """Writes events as JSON lines to a stream, standard output by default; never waits and never raises."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._dropped = 0

    def write(self, event: str, **fields: object) -> None:
        """Write one line; fields that are None are left out, foreign types are written as text, long texts are cut."""
        if self._dropped and self._put(_rendered("log_lines_dropped", {"count": self._dropped})):
            self._dropped = 0
        if self._dropped or not self._put(_rendered(event, fields)):
            self._dropped += 1

    def _put(self, line: str) -> bool:
        stream = self._stream or sys.stdout
        try:
            _write(stream, line)
        except (OSError, ValueError, AttributeError):  # full or its reader gone; closed by us; closed from the start
            return False
        return True


def _write(stream: TextIO, line: str) -> None:
    try:
        descriptor = stream.fileno()
    except OSError:  # in memory
        stream.write(line)
        return
    if not select.select([], [descriptor], [], 0)[1]:
        raise BlockingIOError
    # Past the stream's own buffer: what that could not write it would write again, and fail with, at the exit.
    os.write(descriptor, line.encode("ascii"))


def _rendered(event: str, fields: dict[str, object]) -> str:
    known = {name: _value(value) for name, value in fields.items() if value is not None}
    line = json.dumps({"event": event, **known}, separators=(",", ":")) + "\n"
    if len(line) > _LONGEST_LINE_BYTES:
        return json.dumps({"event": event, "too_long": len(line)}, separators=(",", ":")) + "\n"
    return line


def _value(value: object) -> object:
    if isinstance(value, bool | int | float):
        return value
    try:
        return str(value)[:_LONGEST_TEXT]
    except Exception as error:  # noqa: BLE001 - whatever a foreign type does when it is shown
        return f"{type(value).__name__} that fails with {type(error).__name__}"
