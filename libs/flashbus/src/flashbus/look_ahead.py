"""How many messages to have at hand beyond the free slots, and how many of them a receive is worth."""

from datetime import timedelta

from flashbus.queue import BATCH_LIMIT, LINGER

# Work this long makes a round trip's gap in a slot invisible; who waited for it would age for nothing.
_LONG_WORK = timedelta(seconds=1)
_WEIGHT_OF_NEWEST = 0.2


class LookAhead:
    """Rate × (round trip + linger), of what was seen lately; 0 until every slot has shown its time, and for long work.

    A slot is empty for one round trip between two messages, unless the next one is there already. With payments of
    0.1 s that is a tenth of the slots; with payments of 3 s nothing, and nothing waits. While what is at hand keeps
    the slots busy, a receive waits for company: slots become free one by one, and a call for each costs more than
    all the rest of a message.
    """

    def __init__(self, slots: int) -> None:
        """`slots` messages are worked at once."""
        self._slots = slots
        self._receive_seconds: float | None = None
        self._work_seconds: float | None = None
        self._ended = 0

    @property
    def messages(self) -> int:
        """How many may be taken beyond the free slots now; never more than there are slots."""
        work = self._short_work_seconds
        if self._receive_seconds is None or work is None:
            return 0
        # Work of no time at all is worked off as fast as it comes.
        share = self._receive_seconds / max(work, self._receive_seconds)
        return min(round(self._slots * share) + self.company, self._slots)

    @property
    def company(self) -> int:
        """How many a receive waits for while no slot is empty: those that become free within the linger."""
        work = self._short_work_seconds
        if work is None:
            return 0
        share = LINGER.total_seconds() / max(work, LINGER.total_seconds())
        return min(int(self._slots * share), BATCH_LIMIT)

    @property
    def _short_work_seconds(self) -> float | None:
        """How long a message takes; None until every slot has shown it, and where that is long."""
        seconds = self._work_seconds
        if self._ended < self._slots or seconds is None or seconds >= _LONG_WORK.total_seconds():
            return None
        return seconds

    def received(self, seconds: float, *, at_once: bool) -> None:
        """Note a receive; one that may have waited for messages says nothing about the way."""
        if at_once:
            self._receive_seconds = _smoothed(self._receive_seconds, seconds)

    def worked(self, seconds: float) -> None:
        """Note a message that was worked well."""
        self._work_seconds = _smoothed(self._work_seconds, seconds)
        self._ended += 1


def _smoothed(before: float | None, newest: float) -> float:
    return newest if before is None else before + _WEIGHT_OF_NEWEST * (newest - before)
