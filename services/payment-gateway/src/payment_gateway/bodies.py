"""Reads request bodies and keys, and answers bad ones with a problem document (RFC 9457)."""

import asyncio
import re

from aiohttp import hdrs, web
from pydantic import ValidationError

from flashmsg import MAX_DEPTH, too_deep
from flashops.problems import problem

BODY_LIMIT_BYTES = 16 * 1024
BODY_TIMEOUT_SECONDS = 10.0
_MAX_ERRORS = 20
_KEY = re.compile(r"[!-~]{1,255}")


class BadRequestError(Exception):
    """The request is at fault; `response` is the 4xx that says why."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.reason)
        self.response = response


async def read_json_body(request: web.Request) -> bytes:
    """Return the body, not yet parsed; raises BadRequestError when it cannot be JSON of a sensible size."""
    if request.content_type != "application/json":
        raise _bad(415, "Unsupported media type", "Content-Type must be application/json")
    if hdrs.CONTENT_ENCODING in request.headers:
        raise _bad(415, "Unsupported content encoding", "Send the body without a content encoding")
    body = await _read(request)
    if too_deep(body):
        raise _bad(400, "JSON nested too deeply", f"At most {MAX_DEPTH} levels")
    return body


async def _read(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            return await request.read()
    except TimeoutError as exc:
        raise _bad(408, "Slow body", f"The body did not arrive within {BODY_TIMEOUT_SECONDS:g} seconds") from exc
    except web.HTTPRequestEntityTooLarge as exc:
        raise _bad(413, "Body too large", f"At most {BODY_LIMIT_BYTES} bytes") from exc
    except (ConnectionError, web.RequestPayloadError) as exc:
        raise _bad(400, "Broken body", "The body ended before it was complete") from exc


def idempotency_key(request: web.Request) -> str:
    """Return the `Idempotency-Key`; raises BadRequestError without exactly one of 1 to 255 visible characters."""
    keys = request.headers.getall("Idempotency-Key", [])
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise _bad(
            400, "Bad idempotency key", "Idempotency-Key must be one header of 1 to 255 visible ASCII characters"
        )
    return keys[0]


def invalid(error: ValidationError, *, status: int) -> BadRequestError:
    """Return `status` naming each field at fault; 400 when the body is not even JSON."""
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_ERRORS]
    if found[0]["type"] == "json_invalid":
        return _bad(400, "Not JSON", found[0]["msg"])
    errors = [{"pointer": _pointer(item["loc"]), "detail": item["msg"]} for item in found]
    return BadRequestError(problem(status, "Invalid request", errors=errors))


def _pointer(loc: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in loc)


def _bad(status: int, title: str, detail: str) -> BadRequestError:
    return BadRequestError(problem(status, title, detail=detail))
