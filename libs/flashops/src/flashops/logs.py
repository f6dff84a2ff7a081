"""Logs: one JSON object per line to a pipe, coloured text on a terminal."""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO, TypeAlias

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from flashops.line_writer import LineWriter
from flashops.streams import GuardedStream

WriteInfo: TypeAlias = Callable[[str, Mapping[str, object]], None]
"""Writes a line of level info: its event and its fields."""


def write_info(event: str, fields: Mapping[str, object]) -> None:
    """Write a line as any other, through structlog as it is configured."""
    structlog.get_logger().info(event, **fields)


def configure_logging(
    *, service: str, level: str = "info", environment: str | None = None, stream: TextIO | None = None
) -> WriteInfo:
    """Set structlog up for this process; call it once, before the first line is written.

    Args:
        service: Written in every line as `service`.
        level: debug, info, warning or error; lines below it cost next to nothing.
        environment: Written in every line when given.
        stream: Where lines go, standard output by default. A terminal gets the console
            renderer; anything else gets bytes, so it must be guarded or have a `buffer`. Only a
            guarded one (`flashops.streams`) never blocks or fails whoever logs.

    Returns:
        What writes the lines that come with every request: the same lines as `write_info` does, for less. It leaves
        context variables out, so its fields must be all there is to say.
    """
    target = sys.stdout if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    fixed = {"service": service} | ({"environment": environment} if environment else {})
    shared = _shared_processors(fixed)
    _bridge_standard_library(threshold)
    if target.isatty():
        structlog.configure(
            processors=[*shared, structlog.dev.ConsoleRenderer()],
            wrapper_class=structlog.make_filtering_bound_logger(threshold),
            logger_factory=structlog.WriteLoggerFactory(file=target),
        )
        return write_info
    factory = _logger_factory(target)
    render: list[Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_to_bytes),
    ]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=factory,
    )
    return _info_writer(factory(), fixed) if threshold <= logging.INFO else _write_nothing


def _shared_processors(fixed: dict[str, str]) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _adder(fixed),
    ]


class LineLogger:
    """Hands rendered lines to a `LineWriter`."""

    def __init__(self, lines: LineWriter) -> None:
        self._write = lines.write

    def msg(self, line: bytes) -> None:
        """Have one line written."""
        self._write(line + b"\n")

    debug = info = warning = error = critical = exception = log = msg


class LibraryLines(logging.Handler):
    """Passes the lines of libraries that use `logging` on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger().log(
                record.levelno,
                "library_log",
                logger=record.name,
                message=record.getMessage(),
                exc_info=record.exc_info or None,
            )
        except Exception:  # noqa: BLE001 - a line that cannot be written must not stop the caller
            self.handleError(record)


def _bridge_standard_library(threshold: int) -> None:
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LibraryLines)]:
        root.removeHandler(handler)
    root.addHandler(LibraryLines())
    # Libraries narrate at info; their warnings are what an operator needs.
    root.setLevel(max(threshold, logging.WARNING))


def _logger_factory(target: TextIO) -> Callable[..., WrappedLogger]:
    if not isinstance(target, GuardedStream):
        return structlog.BytesLoggerFactory(file=target.buffer)
    logger = LineLogger(target.lines)
    return lambda *_arguments: logger


def _info_writer(logger: WrappedLogger, fixed: Mapping[str, str]) -> WriteInfo:
    timestamp = _Timestamps(clock_ns=time.time_ns).now

    def write(event: str, fields: Mapping[str, object]) -> None:
        logger.info(_to_bytes({**fields, "event": event, "level": "info", "timestamp": timestamp(), **fixed}))

    return write


class _Timestamps:
    """Tells the time in UTC, to the microsecond; the part down to the second is spelled out once a second."""

    def __init__(self, *, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._second, self._spelled = -1, ""

    def now(self) -> str:
        """Return the moment as `TimeStamper` writes it, but with six digits also on a whole second."""
        second, nanoseconds = divmod(self._clock_ns(), 1_000_000_000)
        if second != self._second:
            self._second, self._spelled = second, datetime.fromtimestamp(second, UTC).isoformat()[:-6]
        return f"{self._spelled}.{nanoseconds // 1_000:06d}Z"


def _write_nothing(_event: str, _fields: Mapping[str, object]) -> None:
    pass


def _adder(fixed: dict[str, str]) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.update(fixed)
        return event

    return add


def _to_bytes(value: EventDict, **_options: object) -> bytes:
    try:
        return orjson.dumps(value, default=repr)
    except TypeError:
        pass
    try:
        # orjson refuses lone surrogates and integers over 64 bits: a log line must still come out.
        return json.dumps(value, default=repr, skipkeys=True).encode("ascii")
    except Exception as exc:  # noqa: BLE001 - a loop in it, a `repr` that fails: whatever it is, the caller goes on
        plain = {name: item for name, item in value.items() if isinstance(item, str)}
        return json.dumps({**plain, "not_rendered": type(exc).__name__}).encode("ascii")
