"""Reading a JSON body from a stranger: bounded in kind, in size and in time."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import hdrs, web

from order_api.rejections import Rejection

_JSON = re.compile(r'application/json[ \t]*(;[ \t]*charset=("utf-8"|utf-8)[ \t]*)?', re.ASCII | re.IGNORECASE)
# As nearly all clients write it, once: known without a look for its parts.
_USUAL_MEDIA_TYPES = ["application/json"]


async def leave_expectation(_request: web.Request) -> None:
    """Do nothing yet: `100 Continue` is sent when the headers have been found acceptable.

    Pass it as the `expect_handler` of a route that uses `read_json_body`.
    """


async def read_json_body(request: web.Request, *, limit_bytes: int, deadline: timedelta) -> bytes:
    """Return the body of a request that says it is JSON; whether it is, is for the parser.

    Nothing of a body is read whose headers already rule it out, and never more than one chunk over
    the limit.

    Raises:
        Rejection: 415 for another media type or any content encoding, 413 for too many bytes, 408
            when they do not arrive in time, 400 when they cannot be read.
    """
    _check_headers(request)
    content = request.content
    try:
        if content.is_eof() and hdrs.EXPECT not in request.headers:
            # It came with its head, as nearly all do: nothing is waited for, so no time can run out.
            body = content.read_nowait()
            _check_size(len(body), limit_bytes)
            return body
        _check_size(request.content_length or 0, limit_bytes)
        async with asyncio.timeout(deadline.total_seconds()):
            await send_continue(request)
            return await _read(request, limit_bytes)
    except TimeoutError:
        message = f"The body did not arrive within {deadline.total_seconds():g} seconds"
        raise Rejection.of_field(408, "slow_body", "body", message, close=True) from None
    except (ConnectionError, web.RequestPayloadError) as exc:
        raise Rejection.of_field(400, "unreadable_body", "body", "The body cannot be read", close=True) from exc


async def send_continue(request: web.Request) -> None:
    """Let a client go on that asks first; what else it may expect is not looked at, as RFC 9110 allows.

    Pass it as the `expect_handler` of a route that reads no body: aiohttp's own refuses what it does not know below the
    API, as plain text, neither measured nor logged.
    """
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def _check_headers(request: web.Request) -> None:
    if hdrs.CONTENT_ENCODING in request.headers:
        message = "A body must be sent without a content encoding"
        raise Rejection.of_field(415, "content_encoding", hdrs.CONTENT_ENCODING, message, close=True)
    media_types = request.headers.getall(hdrs.CONTENT_TYPE, [])
    if media_types != _USUAL_MEDIA_TYPES and not _is_json(media_types):
        message = "The media type must be application/json, in UTF-8"
        raise Rejection.of_field(415, "media_type", hdrs.CONTENT_TYPE, message, close=True)


def _is_json(media_types: Sequence[str]) -> bool:
    return len(media_types) == 1 and _JSON.fullmatch(media_types[0].strip(" \t")) is not None


async def _read(request: web.Request, limit_bytes: int) -> bytes:
    body = bytearray()
    while chunk := await request.content.readany():
        body += chunk
        _check_size(len(body), limit_bytes)
    return bytes(body)


def _check_size(size_bytes: int, limit_bytes: int) -> None:
    if size_bytes > limit_bytes:
        message = f"A body may have at most {limit_bytes} bytes"
        raise Rejection.of_field(413, "too_large", "body", message, close=True)
