"""A line of log is one JSON object whatever is written into it."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from flashops.logs import LibraryLines, configure_logging, write_info

Read = Callable[[], list[dict[str, object]]]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def pipe() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8")


@pytest.fixture
def lines(pipe: io.TextIOWrapper) -> Read:
    def read() -> list[dict[str, object]]:
        pipe.seek(0)
        return [json.loads(line) for line in pipe.read().splitlines()]

    return read


def test_a_pipe_gets_one_json_object_per_line(pipe: io.TextIOWrapper, lines: Read) -> None:
    configure_logging(service="order-api", environment="test", stream=pipe)
    structlog.get_logger().info("order_accepted", order_id="ord_a", multi="two\nlines")
    (line,) = lines()
    assert line.pop("timestamp")
    assert line == {
        "event": "order_accepted",
        "level": "info",
        "service": "order-api",
        "environment": "test",
        "order_id": "ord_a",
        "multi": "two\nlines",
    }


def test_a_terminal_gets_text() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure_logging(service="order-api", stream=terminal)
    structlog.get_logger().info("order_accepted", order_id="ord_a")
    assert "order_accepted" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_lines_below_the_level_are_dropped(pipe: io.TextIOWrapper, lines: Read) -> None:
    configure_logging(service="s", level="warning", stream=pipe)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines()] == ["loud"]


def test_context_variables_are_in_the_line(pipe: io.TextIOWrapper, lines: Read) -> None:
    configure_logging(service="s", stream=pipe)
    with structlog.contextvars.bound_contextvars(order_id="ord_a"):
        structlog.get_logger().info("inside")
    structlog.get_logger().info("outside")
    assert [line.get("order_id") for line in lines()] == ["ord_a", None]


@pytest.mark.parametrize("value", [2**80, "\ud800", {1: object()}, float("nan"), b"\xff"])
def test_a_value_that_json_cannot_hold_still_gives_a_line(pipe: io.TextIOWrapper, lines: Read, value: object) -> None:
    configure_logging(service="s", stream=pipe)
    structlog.get_logger().info("strange", value=value)
    assert lines()[0]["event"] == "strange"


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("a bug")


def endless() -> list[object]:
    loop: list[object] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    ("value", "why"), [(Unprintable(), "RuntimeError"), (endless(), "ValueError"), ({("a", 1): 2}, None)]
)
def test_a_value_that_nothing_can_render_does_not_harm_the_caller(
    pipe: io.TextIOWrapper, lines: Read, value: object, why: str | None
) -> None:
    configure_logging(service="s", stream=pipe)
    structlog.get_logger().info("strange", value=value, order_id="ord_a")
    (line,) = lines()
    assert (line["event"], line["service"], line["order_id"]) == ("strange", "s", "ord_a")
    assert line.get("not_rendered") == why


def test_a_library_line_that_cannot_be_written_is_told_on_standard_error(
    pipe: io.TextIOWrapper, lines: Read, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(service="s", stream=pipe)
    LibraryLines().emit(logging.LogRecord("library", logging.WARNING, "", 0, "%d orders", ("many",), None))
    assert lines() == []
    assert "--- Logging error ---" in capsys.readouterr().err


def test_an_exception_comes_with_its_traceback(pipe: io.TextIOWrapper, lines: Read) -> None:
    configure_logging(service="s", stream=pipe)
    try:
        dict[str, str]()["no such order"]
    except KeyError:
        structlog.get_logger().exception("settle_failed")
    assert "KeyError: 'no such order'" in str(lines()[0]["exception"])


def test_library_warnings_join_the_stream_and_their_chatter_does_not(pipe: io.TextIOWrapper, lines: Read) -> None:
    configure_logging(service="s", level="info", stream=pipe)
    logging.getLogger("aiobotocore").info("chatter")
    logging.getLogger("aiobotocore").warning("retrying %s", "Publish")
    (line,) = lines()
    assert (line["logger"], line["message"], line["level"]) == ("aiobotocore", "retrying Publish", "warning")


def test_below_an_error_libraries_are_silent_where_errors_alone_are_asked_for(
    pipe: io.TextIOWrapper, lines: Read
) -> None:
    configure_logging(service="s", level="error", stream=pipe)
    logging.getLogger("aiobotocore").warning("retrying")
    logging.getLogger("aiobotocore").error("given up")
    assert [line["message"] for line in lines()] == ["given up"]


def test_the_error_of_a_library_comes_with_its_traceback(pipe: io.TextIOWrapper, lines: Read) -> None:
    configure_logging(service="s", stream=pipe)
    try:
        dict[str, str]()["no such order"]
    except KeyError:
        logging.getLogger("x").exception("failed")
    logging.getLogger("x").error("without one")
    assert ["KeyError: 'no such order'" in str(line.get("exception")) for line in lines()] == [True, False]
    assert "exc_info" not in lines()[1]


def test_configuring_twice_writes_library_lines_once(pipe: io.TextIOWrapper, lines: Read) -> None:
    configure_logging(service="s", stream=pipe)
    configure_logging(service="s", stream=pipe)
    logging.getLogger("x").error("once")
    assert len(lines()) == 1
    assert sum(isinstance(handler, LibraryLines) for handler in logging.getLogger().handlers) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"method": "POST", "status": 202, "duration_seconds": 0.007312, "order_id": "ord_a"},
        {"path": "/\u00e4\n", "huge": 2**80, "strange": "\ud800", "other": {1}},
        {"loop": endless()},
    ],
)
def test_the_line_of_a_request_is_what_structlog_writes(
    pipe: io.TextIOWrapper, lines: Read, fields: dict[str, object]
) -> None:
    write = configure_logging(service="s", environment="test", stream=pipe)
    write_info("http_request", fields)
    write("http_request", fields)
    through_structlog, direct = lines()
    form = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{6})?Z"
    assert re.fullmatch(form, str(through_structlog.pop("timestamp")))
    assert re.fullmatch(form, str(direct.pop("timestamp")))
    assert direct == through_structlog
    assert direct["event"] == "http_request"


def test_above_info_the_lines_of_requests_are_dropped(pipe: io.TextIOWrapper, lines: Read) -> None:
    write = configure_logging(service="s", level="warning", stream=pipe)
    write("http_request", {"status": 202})
    assert lines() == []


def test_on_a_terminal_the_line_of_a_request_is_text() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    configure_logging(service="order-api", stream=terminal)("http_request", {"status": 202})
    assert "http_request" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_the_line_of_a_request_tells_the_moment_in_utc(
    pipe: io.TextIOWrapper, lines: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [
        0,
        999,
        1_000,
        999_999_999,
        1_700_000_000_999_999_999,
        1_700_000_001_000_000_000,
        1_699_999_999_000_001_000,
    ]
    told = iter(moments)
    monkeypatch.setattr("time.time_ns", lambda: next(told))
    write = configure_logging(service="s", stream=pipe)
    for _ in moments:
        write("http_request", {})
    written = [datetime.fromisoformat(str(line["timestamp"])) for line in lines()]
    began = datetime(1970, 1, 1, tzinfo=UTC)
    assert written == [began + timedelta(microseconds=moment // 1_000) for moment in moments]
    assert all(re.fullmatch(r"[0-9T:-]{19}\.[0-9]{6}Z", str(line["timestamp"])) for line in lines())
