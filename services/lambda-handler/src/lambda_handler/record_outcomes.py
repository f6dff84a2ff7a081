"""What became of one record, as the invocation answers and logs it."""

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What one invocation knows of itself."""

    time_left: timedelta
    request_id: str


@dataclass(frozen=True, kw_only=True)
class RecordOutcome:
    """What became of one record: `done` is false when it must come back, then `error` may say why."""

    done: bool
    outcome: str
    order_id: str | None = None
    attempt: int | None = None
    error: BaseException | None = None


@dataclass(kw_only=True)
class Known:
    """What a record's line in the log says, as far as it came to be known before its end.

    `settled` is the status of an order that ended here while its units did not: its message goes on, as a duplicate.
    """

    order_id: str | None = None
    trace_id: str | None = None
    settled: str | None = None
    error: BaseException | None = field(default=None)
