"""Log lines: one JSON object each, as CloudWatch Logs Insights and metric filters read them.

No structlog: a function writes one line per record and its import would cost every cold start (measured in
docs/decisions/0031).
"""

import json
import sys
from typing import TextIO


class Journal:
    """Writes events as JSON lines to a stream, standard output by default."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, event: str, **fields: object) -> None:
        """Write one line; fields that are None are left out, foreign types are written as text."""
        line = {"event": event, **{name: value for name, value in fields.items() if value is not None}}
        stream = self._stream or sys.stdout
        stream.write(json.dumps(line, default=str, separators=(",", ":")) + "\n")
        stream.flush()
