"""What a client may do with a connection before it is known to be one: how many, how long, in which form."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol, TypeAlias, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from prometheus_client import CollectorRegistry, Counter, Gauge

from flashops.framing import Framing

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n"
_LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

# Whoever still sends when a connection closes gets a reset in place of the answer. So what follows a fault is read
# and dropped until it stops for a moment, and what follows a last answer until the client closes; at most so long.
_QUIET_SECONDS = 0.05
_LINGERING_SECONDS = 0.5
# Connections beyond the bound that may still read their refusal: they take descriptors too (`descriptors.RESERVED`).
_MOST_LINGERING = 128

_Parsed: TypeAlias = tuple[Sequence[tuple[RawRequestMessage, StreamReader]], bool, bytes]
_NOTHING: _Parsed = ((), False, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one port allows.

    Attributes:
        most: Connections open at once; one more is answered 503 and closed.
        head_timeout: How long the first head may take, silence included, and every later one from its first byte.
        read_timeout: How long a client may take nothing of its answers once the buffers on the way to it are full.
    """

    most: int = 4096
    head_timeout: timedelta = timedelta(seconds=10)
    read_timeout: timedelta = timedelta(seconds=30)


class ConnectionMetrics:
    """What the ports of one process count; one object per registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open: Final = Gauge("http_server_open_connections", "Connections open.", registry=registry)
        self.refused: Final = Counter(
            "http_server_refused_connections", "Connections closed at once, as too many were open.", registry=registry
        )
        self.late: Final = Counter(
            "http_server_late_heads", "Connections closed, as a request's head did not come.", registry=registry
        )
        self.unread: Final = Counter(
            "http_server_unread_answers", "Connections cut, as their client did not read.", registry=registry
        )
        self.malformed: Final = Counter(
            "http_server_malformed_requests", "Requests that are no HTTP; they have no route.", registry=registry
        )


class Connections:
    """The connections of one port: bounded, counted, and logged without a line per stranger."""

    def __init__(self, *, limits: ConnectionLimits, metrics: ConnectionMetrics) -> None:
        self.limits: Final = limits
        self.metrics: Final = metrics
        self.logger: Final = _server_logger(metrics)
        self._open = 0
        self._lingering = 0

    def enter(self) -> bool:
        """Count one more connection; False if there may be none."""
        if self._open >= self.limits.most:
            self.metrics.refused.inc()
            return False
        self._open += 1
        self.metrics.open.inc()
        return True

    def leave(self) -> None:
        """Count one connection less."""
        self._open -= 1
        self.metrics.open.dec()

    def linger(self) -> bool:
        """Let one refused connection stay until its client has read why; False if too many do."""
        if self._lingering >= _MOST_LINGERING:
            return False
        self._lingering += 1
        return True

    def end_lingering(self) -> None:
        """Count one refused connection less that stays."""
        self._lingering -= 1


class Connection(web.RequestHandler):
    """One connection: aiohttp's own, behind a bound, a deadline for heads and a strict framing."""

    __slots__ = (
        "_connections",
        "_entered",
        "_framing",
        "_head_timer",
        "_lingering",
        "_lingering_timer",
        "_quiet_timer",
        "_strict_parser",
        "_tell_by",
        "_unread_timer",
    )

    def __init__(
        self, manager: web.Server, *, connections: Connections, loop: asyncio.AbstractEventLoop, **options: object
    ) -> None:
        """Take what the server gives each of its protocols; `options` are aiohttp's."""
        super().__init__(manager, loop=loop, logger=connections.logger, **cast("dict[str, Any]", options))
        self._connections = connections
        self._framing = Framing()
        self._head_timer: asyncio.TimerHandle | None = None
        self._lingering = False
        self._lingering_timer: asyncio.TimerHandle | None = None
        self._quiet_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._tell_by = 0.0
        self._strict_parser = _StrictParser(cast("_Parser", self._parser), framing=self._framing)
        self._parser = cast("Any", self._strict_parser)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it when there are too many."""
        self._entered = self._connections.enter()
        if not self._entered:
            self._refuse(cast("asyncio.Transport", transport))
            return
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self._stop_head_timer()
        for timer in (self._quiet_timer, self._lingering_timer):
            if timer is not None:
                timer.cancel()
        self._stop_unread_timer()
        if self._entered:
            self._entered = False
            self._connections.leave()
        if self._lingering:
            self._lingering = False
            self._connections.end_lingering()
        super().connection_lost(exc)
        # aiohttp lets go of its parser, which knows the connection: or a closed one would wait for the collector.
        del self._strict_parser

    def data_received(self, data: bytes) -> None:
        """Parse what came; a complete head ends its deadline, the first byte of a next one begins another."""
        if self._force_close:
            return  # the last answer is on its way
        heads = self._framing.heads
        super().data_received(data)
        if self._framing.heads != heads:
            self._stop_head_timer()
        if self._framing.head_begun and self._head_timer is None and self.transport is not None:
            self._start_head_timer()
        if data and self._strict_parser.fault is not None:
            self._await_quiet()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Read on where reading was paused; aiohttp asks after every body, and would parse nothing once more."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def pause_writing(self) -> None:
        """Begin to watch whether the client reads."""
        super().pause_writing()
        self._await_reading(self._unread_bytes())

    def resume_writing(self) -> None:
        """Know that the client has read most of it."""
        self._stop_unread_timer()
        super().resume_writing()

    def _await_reading(self, unread: int) -> None:
        seconds = self._connections.limits.read_timeout.total_seconds()
        self._unread_timer = self._loop.call_later(seconds, self._check_reading, unread)

    def _check_reading(self, unread: int) -> None:
        if (left := self._unread_bytes()) < unread:
            self._await_reading(left)
            return
        self._connections.metrics.unread.inc()
        if self.transport is not None:
            self.transport.abort()  # closing would wait for the very bytes that nobody takes

    def _unread_bytes(self) -> int:
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def _stop_unread_timer(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _await_quiet(self) -> None:
        now = self._loop.time()
        if self._quiet_timer is None:
            self._tell_by = now + _LINGERING_SECONDS
        else:
            self._quiet_timer.cancel()
        self._quiet_timer = self._loop.call_at(min(now + _QUIET_SECONDS, self._tell_by), self._tell_fault)

    def _tell_fault(self) -> None:
        self._strict_parser.tell()
        super().data_received(b"")

    def _start_head_timer(self) -> None:
        seconds = self._connections.limits.head_timeout.total_seconds()
        self._head_timer = self._loop.call_later(seconds, self._head_is_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        if self._waiter is None or self._waiter.done():
            # An earlier request of this connection is still being answered.
            self._start_head_timer()
            return
        self._head_timer = None
        self._connections.metrics.late.inc()
        if self.transport is not None and self._framing.head_begun:
            self._end(self.transport, _LATE)
        else:
            self.force_close()

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._lingering = self._connections.linger()
        self._end(transport, _FULL)
        if not self._lingering:
            transport.close()

    def _end(self, transport: asyncio.Transport, answer: bytes) -> None:
        """Give a last answer, and close when the client has, or soon."""
        self._force_close = True  # aiohttp's: what still comes is dropped, and nothing is served any more
        if self._waiter is not None:
            self._waiter.cancel()
        transport.write(answer)
        transport.write_eof()
        self._lingering_timer = self._loop.call_later(_LINGERING_SECONDS, transport.close)


class _Parser(Protocol):
    """What aiohttp's protocol calls of its parser."""

    def feed_data(self, data: bytes) -> _Parsed: ...

    def pause_reading(self) -> None: ...

    def message_consumed(self) -> None: ...

    def set_upgraded(self, value: bool) -> None: ...  # noqa: FBT001 - aiohttp's signature


class _StrictParser:
    """Shows every byte to the framing before aiohttp's parser; after the first fault nothing is read any more.

    Attributes:
        fault: What was wrong. It is kept until `tell` is called, and what comes is dropped meanwhile.
    """

    def __init__(self, parser: _Parser, *, framing: Framing) -> None:
        self.fault: HttpProcessingError | None = None
        self._told = False
        self._parser = parser
        self._framing = framing
        self._payload: StreamReader = EMPTY_PAYLOAD
        self.pause_reading = parser.pause_reading
        self.message_consumed = parser.message_consumed
        self.set_upgraded = parser.set_upgraded

    def feed_data(self, data: bytes) -> _Parsed:
        if self.fault is not None:
            return self._tell(self.fault) if self._told else _NOTHING
        try:
            self._framing.follow(data)
            parsed = self._parser.feed_data(data)
        except HttpProcessingError as exc:
            self.fault = exc
            return _NOTHING
        if parsed[0]:
            self._payload = parsed[0][-1][1]
        return parsed

    def tell(self) -> None:
        """Let the next call of `feed_data` tell the fault."""
        self._told = True

    def _tell(self, fault: HttpProcessingError) -> _Parsed:
        self._told = False
        if self._payload.is_eof():
            raise fault
        # The handler of the request before waits for the rest of its body: it is the one to answer.
        self._payload.set_exception(web.RequestPayloadError(fault.message))
        return _NOTHING


class _MalformedRequests(logging.Filter):
    """Counts what is no HTTP; aiohttp would log a traceback each time, and anyone can send such bytes."""

    def __init__(self, metrics: ConnectionMetrics) -> None:
        super().__init__()
        self._metrics = metrics

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError):
            self._metrics.malformed.inc()
            return False
        return record.levelno >= logging.WARNING


def _server_logger(metrics: ConnectionMetrics) -> logging.Logger:
    """Return the logger of one server: its bytes that are no HTTP are counted, all else goes to the root."""
    logger = logging.Logger("flashops.server")  # noqa: LOG001 - not shared, so that each server counts for itself
    # aiohttp tells of bytes that do not even begin like HTTP at debug level: they count too.
    logger.setLevel(logging.DEBUG)
    logger.parent = logging.getLogger()
    logger.addFilter(_MalformedRequests(metrics))
    return logger
