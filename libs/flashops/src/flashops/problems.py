"""Errors as `application/problem+json` (RFC 9457)."""

from collections.abc import Mapping, Sequence

import orjson
from aiohttp import hdrs, web

CONTENT_TYPE = "application/problem+json"


def problem(
    status: int,
    title: str,
    *,
    detail: str | None = None,
    type: str = "about:blank",  # noqa: A002 - the member's name in RFC 9457
    errors: Sequence[Mapping[str, str]] | None = None,
    members: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Answer with a problem document, of which no cache on the way may keep a copy.

    Args:
        status: The HTTP status, repeated in the document.
        title: What kind of problem it is; the same each time it occurs.
        detail: What happened this time, for the client's developer.
        type: A URI reference that identifies the kind of problem.
        errors: The extension member `errors`: one object for each field that is wrong.
        members: More extension members of this type of problem.
        headers: More response headers, such as `Retry-After`.
    """
    # Without it caches keep some errors of their own accord (RFC 9111): a 404 would outlive the product's arrival.
    headers = {hdrs.CACHE_CONTROL: "no-store"} | dict(headers or {})
    document: dict[str, object] = {"type": type, "title": title, "status": status}
    if detail is not None:
        document["detail"] = detail
    if errors is not None:
        document["errors"] = [dict(error) for error in errors]
    document.update(members or {})
    return web.Response(body=orjson.dumps(document), status=status, content_type=CONTENT_TYPE, headers=headers)
