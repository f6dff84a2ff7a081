"""Progress: does anything come to an end while something waits?"""

import asyncio
from datetime import timedelta


class Progress:
    """Notices when messages are taken and none comes to its end.

    A message that is handed back did not: one bad order alone in the queue shows as a stall, and so does an outage.

    Args:
        limit: How long nothing may come to an end.
    """

    def __init__(self, *, limit: timedelta) -> None:
        self._limit = limit.total_seconds()
        self._waiting_since: float | None = None
        self._last_taken = 0.0
        self._busy = 0

    @property
    def stalled(self) -> bool:
        """Whether something was waiting all the time, or came again and again, and nothing came to an end."""
        return self._waiting_since is not None and self._now() - self._waiting_since > self._limit and self._recent

    def taken(self) -> None:
        """A message is being worked from now on."""
        if self._waiting_since is None or not self._recent:
            self._waiting_since = self._now()
        self._last_taken = self._now()
        self._busy += 1

    def left(self, *, ended: bool) -> None:
        """A message is not being worked any more; `ended` when it never comes again."""
        self._busy -= 1
        if ended:
            self._waiting_since = self._now() if self._busy else None

    @property
    def _recent(self) -> bool:
        # Another processor may have ended what was handed back here.
        return self._busy > 0 or self._now() - self._last_taken <= self._limit

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
