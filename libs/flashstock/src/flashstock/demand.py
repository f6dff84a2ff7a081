"""How fast a product sells here."""


class Demand:
    """Counts units by intervals; the more of the last two tells how many the next one may need."""

    def __init__(self) -> None:
        self._now = 0
        self._before = 0

    @property
    def units(self) -> int:
        """What one interval may need."""
        return max(self._now, self._before, 0)

    def count(self, units: int) -> None:
        """Units were sold."""
        self._now += units

    def count_back(self, units: int) -> None:
        """Units that were counted are not sold after all, perhaps of an interval before."""
        self._now -= units

    def next_interval(self) -> None:
        """An interval is over."""
        self._now, self._before = 0, self._now
