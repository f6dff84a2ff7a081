"""W3C trace context: the `traceparent` that follows an order from HTTP to its charge."""

import os
import re
from dataclasses import dataclass
from typing import Self

_SHAPE = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL)
_SAMPLED = 0x01
_TRACE_BYTES, _PARENT_BYTES = 16, 8


@dataclass(slots=True, unsafe_hash=True)
class Traceparent:
    """One position in a trace; `str()` is the header.

    Attributes:
        trace_id: 32 hexadecimal digits, the same for everything done for one request.
        parent_id: 16 hexadecimal digits, this position.
        sampled: Whether the caller records the trace.
    """

    trace_id: str
    parent_id: str
    sampled: bool = True

    @classmethod
    def parse(cls, header: str | None) -> Self | None:
        """Read a header; whatever the specification calls invalid is `None`."""
        if header is None or (shape := _SHAPE.fullmatch(header.strip(" \t"))) is None:
            return None
        version, trace_id, parent_id, flags, rest = shape.groups()
        # A later version may add fields at the end; version 00 may not, and ff is forbidden.
        if version == "ff" or (version == "00" and rest is not None):
            return None
        if not trace_id.strip("0") or not parent_id.strip("0"):
            return None
        return cls(trace_id, parent_id, bool(int(flags, 16) & _SAMPLED))

    @classmethod
    def new(cls) -> Self:
        """Start a trace."""
        random = os.urandom(_TRACE_BYTES + _PARENT_BYTES).hex()
        return cls(_valid(random[: 2 * _TRACE_BYTES]), _valid(random[2 * _TRACE_BYTES :]))

    def child(self) -> Self:
        """Take the next position in the same trace."""
        return type(self)(self.trace_id, _valid(os.urandom(_PARENT_BYTES).hex()), self.sampled)

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.parent_id}-{'01' if self.sampled else '00'}"


def _valid(digits: str) -> str:
    # All zeros means "invalid" in the specification.
    return digits if digits.strip("0") else digits[:-1] + "1"
