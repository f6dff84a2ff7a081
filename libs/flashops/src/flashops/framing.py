"""Where a request ends, followed byte by byte and more strictly than HTTP asks.

aiohttp's parsers, the one in C and the one in Python, take what servers and proxies read differently: a coding
before `chunked`, an empty `Transfer-Encoding`, a body behind `CONNECT`, HTTP/0.9, HTTP/2.0 or RTSP in the request line.
They also take heads of a megabyte, and chunk extensions and trailers of any length. What stands here looks at the bytes
first and knows one reading.
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from aiohttp.http_exceptions import BadHttpMessage

HEAD_LIMIT_BYTES = 32 * 1024
_BLANK_LINE = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"[!-~]+ [!-~]+ http/1\.[01]")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")
_CHUNK_SIZE_BYTES = 10
_LENGTH_FIELD, _CODING_FIELD, _UPGRADE_FIELD = b"content-length", b"transfer-encoding", b"upgrade"

# Takes the bytes from a position on, and says where the next state begins, or None to wait for more.
_State: TypeAlias = Callable[["Framing", bytes, int], int | None]


class Framing:
    """Follows the requests of one connection.

    A request is one of HTTP/1.0 or 1.1. A body is framed by one `Content-Length`, or in 1.1 by exactly
    `Transfer-Encoding: chunked`, without chunk extensions and trailers. There is no `CONNECT`; behind a request to
    change the protocol nothing comes before its answer; a head has at most `HEAD_LIMIT_BYTES`.

    Attributes:
        heads: How many heads were complete so far.
    """

    def __init__(self) -> None:
        self.heads = 0
        # A function and no bound method: a closed connection is gone without the garbage collector.
        self._state: _State = Framing._head
        # A head, or a line between chunks, that came without its end.
        self._begun = b""
        self._left = 0
        self._chunked = False
        self._upgrade = False

    @property
    def head_begun(self) -> bool:
        """Whether a head has begun and is not complete."""
        return bool(self._begun) and self._state is Framing._head

    def follow(self, data: bytes) -> None:
        """Take the bytes that came next; raises BadHttpMessage for what has more than one reading."""
        if self._begun:
            data, self._begun = self._begun + data, b""
        position: int | None = 0
        while position is not None and position < len(data):
            position = self._state(self, data, position)

    def _head(self, data: bytes, position: int) -> int | None:
        while data.startswith(b"\r\n", position):  # empty lines before a request are allowed
            position += 2
        end = data.find(_BLANK_LINE, position)
        if (len(data) if end < 0 else end) - position > HEAD_LIMIT_BYTES:
            raise BadHttpMessage("The head is too long")
        if end < 0:
            self._begun = data[position:]
            return None
        self._frame(data[position : end + 2].lower())
        self.heads += 1
        return self._next(data, end + len(_BLANK_LINE))

    def _frame(self, head: bytes) -> None:
        request_line, *lines = head.split(b"\r\n")
        if head.count(b"\n") != len(lines):
            raise BadHttpMessage("A line ends without a carriage return")
        if _REQUEST_LINE.fullmatch(request_line) is None:
            raise BadHttpMessage("The request line is not one of HTTP/1.0 or 1.1")
        if request_line.startswith(b"connect "):
            raise BadHttpMessage("CONNECT is not taken")
        if b"\n " in head or b"\n\t" in head:
            raise BadHttpMessage("A header is folded")
        values: dict[bytes, list[bytes]] = {_LENGTH_FIELD: [], _CODING_FIELD: [], _UPGRADE_FIELD: []}
        for line in lines:
            name, _, value = line.partition(b":")
            if (known := values.get(name.strip())) is not None:
                known.append(value.strip(b" \t"))
        lengths, codings = values[_LENGTH_FIELD], values[_CODING_FIELD]
        if len(lengths) + len(codings) > 1:
            raise BadHttpMessage("The body's length is told more than once")
        if lengths and _LENGTH.fullmatch(lengths[0]) is None:
            raise BadHttpMessage("Content-Length is no number")
        if codings and not (codings == [b"chunked"] and request_line.endswith(b" http/1.1")):
            raise BadHttpMessage("Transfer-Encoding must be exactly chunked, in HTTP/1.1")
        self._chunked = bool(codings)
        self._left = int(lengths[0]) if lengths else 0
        self._upgrade = bool(values[_UPGRADE_FIELD])

    def _next(self, data: bytes, position: int) -> int:
        if self._chunked:
            self._state = Framing._chunk_size
        elif self._left:
            self._state = Framing._body
        else:
            self._state = Framing._head
            # In which protocol the sender means it is not settled yet.
            if self._upgrade and position != len(data):
                raise BadHttpMessage("Nothing may follow a request to change the protocol")
        return position

    def _body(self, data: bytes, position: int) -> int:
        taken = min(self._left, len(data) - position)
        self._left -= taken
        return position + taken if self._left else self._next(data, position + taken)

    def _chunk_size(self, data: bytes, position: int) -> int | None:
        line = _CHUNK_SIZE.match(data, position)
        if line is None:
            if data.find(b"\n", position) >= 0 or len(data) - position >= _CHUNK_SIZE_BYTES:
                raise BadHttpMessage("A chunk's size must stand alone in its line")
            self._begun = data[position:]
            return None
        self._left = int(line[1], 16)
        self._state = Framing._chunk if self._left else Framing._last_line
        return line.end()

    def _chunk(self, data: bytes, position: int) -> int:
        taken = min(self._left, len(data) - position)
        self._left -= taken
        if not self._left:
            self._state = Framing._chunk_end
        return position + taken

    def _chunk_end(self, data: bytes, position: int) -> int | None:
        return self._line_end(data, position, "A chunk is longer than it says")

    def _last_line(self, data: bytes, position: int) -> int | None:
        self._chunked = False
        return self._line_end(data, position, "Trailers are not taken")

    def _line_end(self, data: bytes, position: int, fault: str) -> int | None:
        if not b"\r\n".startswith(data[position : position + 2]):
            raise BadHttpMessage(fault)
        if len(data) - position == 1:
            self._begun = data[position:]
            return None
        return self._next(data, position + 2)
