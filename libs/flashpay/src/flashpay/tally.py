"""What is known of a dependency's failures: is it everything that fails, or single orders?"""

from collections import OrderedDict

_REMEMBERED = 10_000


class Tally:
    """Counts the failures of one dependency, by order.

    It is down when `threshold` different orders in a row failed, with no success in between, or when it did not
    answer in as many failures in a row, not even when asked about something else. An order that failed before
    others succeeded is known to be the one at fault: failing again it is no news.
    """

    def __init__(self, *, threshold: int) -> None:
        if threshold < 1:
            raise ValueError("threshold must be at least 1")
        self._threshold = threshold
        self._failing: set[str] = set()
        self._suspects: OrderedDict[str, None] = OrderedDict()
        self._silent = 0

    @property
    def down(self) -> bool:
        """Whether everything fails, as far as can be known."""
        return len(self._failing) >= self._threshold or self.silent

    @property
    def silent(self) -> bool:
        """Whether the dependency answers nothing at all any more."""
        return self._silent >= self._threshold

    def failed(self, order_id: str, *, alive: bool) -> None:
        """Count a failure; `alive` says whether the dependency answered when asked about something else."""
        self._silent = 0 if alive else self._silent + 1
        if order_id not in self._suspects:
            self._failing.add(order_id)

    def succeeded(self, order_id: str) -> None:
        """Count a success: the dependency works, and whoever failed until now has a trouble of its own."""
        self._silent = 0
        if not self._failing and not self._suspects:
            return  # as nearly always
        self._suspects.update(dict.fromkeys(self._failing))
        self._failing.clear()
        self._suspects.pop(order_id, None)
        while len(self._suspects) > _REMEMBERED:
            self._suspects.popitem(last=False)
