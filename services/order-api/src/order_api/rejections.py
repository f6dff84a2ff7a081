"""Refusals: every answer that is not a success, as a problem document with a bounded reason."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from math import ceil
from typing import Self

from aiohttp import hdrs, web

from flashops.problems import problem
from order_api.views import Receipt

TYPE_PREFIX = "urn:flash-sale:problem:"
_REPEAT = "repeat it with the idempotency_key given here as Idempotency-Key, or ask status_url"


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
        receipt: Receipt | None = None,
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
            receipt: Of the order that there may be in spite of the refusal; none when it is certain that there is not.
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
        self._receipt = receipt

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
            members=None if self._receipt is None else self._receipt.members(),
            headers=self._headers,
        )
        if self._close:
            response.force_close()
        return response


def outcome_unknown(
    receipt: Receipt, *, retry_after: timedelta, status: int = 503, reason: str = "outcome_unknown"
) -> Rejection:
    """Refuse with no claim about the order, and tell how to find out or repeat without paying twice."""
    return Rejection(
        status,
        reason,
        "It is not known whether the order was taken",
        errors=[("body", f"The order may have been taken and may be charged; {_REPEAT}")],
        retry_after=retry_after,
        receipt=receipt,
    )


def turned_away(receipt: Receipt | None, reason: str, title: str, *, retry_after: timedelta) -> Rejection:
    """Refuse a request of which nothing is left.

    Args:
        receipt: Given when other requests may have placed the same order: then nothing is said about the order.
        reason: See `Rejection`.
        title: See `Rejection`.
        retry_after: See `Rejection`.
    """
    message = (
        "The order was not accepted; send it again"
        if receipt is None
        else f"This request did nothing, but another one with its key may have placed the order; {_REPEAT}"
    )
    return Rejection(503, reason, title, errors=[("body", message)], retry_after=retry_after, receipt=receipt)


def closed() -> Rejection:
    """Refuse an order that wants to be settled in the request, where none is."""
    return Rejection.of_field(404, "closed", "path", "Orders are not settled in the request here: POST /orders/async")


def mismatch(field: str) -> Rejection:
    """Refuse a key that stands for another order."""
    return Rejection.of_field(422, "mismatch", field, "This key was used for an order of other content")


def crashed(receipt: Receipt | None) -> Rejection:
    """Answer for a bug of ours; with an order under way nothing is known of it."""
    title = "Something is wrong on our side"
    message = title if receipt is None else f"{title}. The order may have been taken; {_REPEAT}"
    return Rejection(500, "internal_error", title, errors=[("request", message)], close=True, receipt=receipt)


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
