"""What can go wrong with stock, and whether trying again can cure it."""

from typing import ClassVar, Self


class StockError(Exception):
    """Stock was not changed as asked. `retryable` says whether the same call may succeed later."""

    retryable: ClassVar[bool] = False


class SoldOutError(StockError):
    """Fewer units of `product_id` are left than were asked for."""

    def __init__(self, product_id: str) -> None:
        super().__init__(f"not enough units of {product_id} are left")
        self.product_id = product_id


class LimitReachedError(StockError):
    """The customer would have more units of `product_id` than one customer may buy."""

    def __init__(self, product_id: str, *, limit: int) -> None:
        super().__init__(f"one customer may buy {limit} of {product_id}")
        self.product_id = product_id
        self.limit = limit


class StockUnavailableError(StockError):
    """The stock table did not answer, or this process may not sell at the moment.

    Attributes:
        reason: A label of few values: `throttled`, `contention`, `timeout`, `connection`, `server_error`, `access`,
            `bad_request`, `no_session`, `unknown_product`, `garbled`, `too_slow`, `closed`.
        certain: Whether it is known that nothing was written, now or later.
    """

    retryable = True

    def __init__(self, message: str, *, reason: str, certain: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.certain = certain

    def again(self, *, certain: bool | None = None) -> Self:
        """An exception of one's own for each who waited: raised twice, one would collect the tracebacks of all."""
        return type(self)(str(self), reason=self.reason, certain=self.certain if certain is None else certain)


class SessionClosedError(StockUnavailableError):
    """The selling session was closed by a reclaimer, which looks after what it had journaled."""

    def __init__(self, message: str, *, reason: str = "no_session", certain: bool = False) -> None:
        super().__init__(message, reason=reason, certain=certain)
