"""How long one attempt of a call may take, and how many are under way."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

# So that it is a request's own timeout that ends it, and not its connection's.
_BEHIND = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """How long one attempt may take, and how many are under way.

    Attributes:
        connect_timeout: Until there is a connection.
        read_timeout: The longest silence of a connection in use.
        connections: The most requests in flight; others wait for a connection.
        keep_alive: How long an idle connection is kept.
        answer_bytes: The most that is read of an answer, its head included; None where who answers is trusted.
    """

    connect_timeout: timedelta
    read_timeout: timedelta
    connections: int
    keep_alive: timedelta
    answer_bytes: int | None = None

    @classmethod
    def behind(
        cls, timeout: timedelta, *, connections: int, answer_bytes: int, keep_alive: timedelta = timedelta(seconds=15)
    ) -> Self:
        """The limits where every request brings a timeout of its own: the whole of it, and never longer than this."""
        return cls(
            connect_timeout=timeout + _BEHIND,
            read_timeout=timeout + _BEHIND,
            connections=connections,
            keep_alive=keep_alive,
            answer_bytes=answer_bytes,
        )
