"""Refusals: every answer that is not a success, as a problem document with a bounded reason."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from math import ceil
from typing import Self

from aiohttp import hdrs, web

from flashops.problems import problem

TYPE_PREFIX = "urn:flash-sale:problem:"


class Rejection(Exception):  # noqa: N818 - it is an answer, not a fault of ours
    """A request that is not accepted, and why.

    Attributes:
        status: The HTTP status of the answer.
        reason: A bounded label, used in the problem's type, in the metric and in the log line.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        title: str,
        *,
        errors: Iterable[tuple[str, str]],
        retry_after: timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        """Describe the refusal.

        Args:
            status: The HTTP status.
            reason: A lower-case word, the same each time.
            title: A sentence, the same each time.
            errors: What is at fault and how: pairs of field and message.
            retry_after: When the client may try again, for a refusal that is not its fault.
            headers: More response headers.
            close: Whether the connection ends with the answer, as the body was not read.
        """
        super().__init__(f"{reason}: {title}")
        self.status = status
        self.reason = reason
        self._title = title
        self._errors = [{"field": field, "message": message} for field, message in errors]
        self._headers = dict(headers or {})
        if retry_after is not None:
            self._headers[hdrs.RETRY_AFTER] = str(max(1, ceil(retry_after.total_seconds())))
        self._close = close

    @classmethod
    def of_field(cls, status: int, reason: str, field: str, message: str, *, close: bool = False) -> Self:
        """Describe a refusal with one thing at fault; its message is the title too."""
        return cls(status, reason, message, errors=[(field, message)], close=close)

    def response(self) -> web.Response:
        """Build the answer."""
        response = problem(
            self.status,
            self._title,
            type=TYPE_PREFIX + self.reason.replace("_", "-"),
            errors=self._errors,
            headers=self._headers,
        )
        if self._close:
            response.force_close()
        return response


def of_http_exception(exc: web.HTTPException) -> Rejection:
    """Turn aiohttp's own refusals (no such path, wrong method) into ours, with their headers."""
    if exc.status == web.HTTPNotFound.status_code:
        return Rejection.of_field(404, "not_found", "path", "There is nothing at this path")
    if isinstance(exc, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(exc.allowed_methods))
        message = "This path does not know the method"
        return Rejection(
            405,
            "method_not_allowed",
            message,
            errors=[("method", f"{message}; it takes {allowed}")],
            headers={hdrs.ALLOW: allowed},
        )
    return Rejection.of_field(exc.status, "refused", "request", exc.reason)
