"""One connection to an endpoint: a request, its answer, and then perhaps the next one."""

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httptools

_FIRST_FINAL_STATUS = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of `headers` are in lower case. Only one over the limit of its length is not whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True


class NoAnswerError(ConnectionError):
    """The connection ended, or became useless, before a whole answer was there."""


class SilenceError(TimeoutError):
    """Nothing was heard for too long."""


class Connection(asyncio.Protocol):
    """Carries one request at a time; httptools reads the answers, and calls the methods `on_…`."""

    def __init__(self, *, silence_seconds: float, answer_bytes: int | None = None) -> None:
        """Give up an answer after so many seconds in which nothing came, and cut it off after so many bytes."""
        self._silence_seconds = silence_seconds
        self._answer_bytes = math.inf if answer_bytes is None else answer_bytes
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._has_excess = False
        self._transport: asyncio.Transport | None = None
        # One for all requests, put off when it rings: a timer of its own for each costs a twelfth of a call.
        self._timer: asyncio.TimerHandle | None = None
        self._begin()

    @property
    def is_open(self) -> bool:
        """Whether the next request may be sent here."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> Answer:
        """Send a request, and wait for its answer; whatever else ends this closes the connection.

        Raises:
            NoAnswerError: It ended before the answer, or with a part of it.
            SilenceError: Nothing came for too long.
        """
        if self._transport is None or self._transport.is_closing():
            raise NoAnswerError("the connection is closed")
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._answer = answer
        self._heard, self._heard_bytes = self._loop.time(), 0
        if self._timer is None:
            self._await_silence()
        self._transport.write(request)
        try:
            return await answer
        except BaseException:
            self.abort()
            raise
        finally:
            self._answer = None

    def abort(self) -> None:
        """Close at once; what was not sent is not sent any more."""
        if self._transport is not None:
            self._transport.abort()

    def _await_silence(self) -> None:
        self._timer = self._loop.call_at(self._heard + self._silence_seconds, self._listen)

    def _listen(self) -> None:
        self._timer, answer = None, self._answer
        if answer is None or answer.done():
            return
        if self._loop.time() < self._heard + self._silence_seconds:
            self._await_silence()
        else:
            answer.set_exception(SilenceError("nothing was heard"))

    def _begin(self) -> None:
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._has_head = False

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswerError(reason))

    def _succeed(self, *, is_whole: bool = True) -> None:
        if self._answer is not None and not self._answer.done():
            body = b"".join(self._body)
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, body, is_whole))

    def _cut_off(self) -> None:
        if self._has_head:
            self._succeed(is_whole=False)
        self._fail("the answer is too long")
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read on; bytes that nobody asked for are the end of this connection."""
        if self._answer is None or self._answer.done():
            self.abort()
            return
        self._heard = self._loop.time()
        self._heard_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(str(error))
            self.abort()
        if self._has_excess:
            self.abort()
        elif self._heard_bytes > self._answer_bytes and not self._answer.done():
            self._cut_off()

    def connection_lost(self, exc: Exception | None) -> None:
        """End what is under way; an answer that tells no length ends with its connection."""
        if self._timer is not None:
            self._timer.cancel()
        if exc is None and self._has_head and not {"content-length", "transfer-encoding"} & self._headers.keys():
            self._succeed()
        self._fail("closed" if exc is None else str(exc))

    def on_message_begin(self) -> None:
        """Note an answer that nobody waits for: it could be taken for that of the next request."""
        self._has_excess = self._answer is None or self._answer.done()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; of several of one name the last, as no answer that is read here has any."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Note that the head is there."""
        self._has_head = self._parser.get_status_code() >= _FIRST_FINAL_STATUS

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand the answer over, unless it was an interim one."""
        if self._has_head:
            self._succeed()
            if not self._parser.should_keep_alive() and self._transport is not None:
                self._transport.close()
        self._begin()
