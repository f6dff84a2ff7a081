"""What a check is, and what all of them share."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

CLOCK_SECONDS = 0.050
# All processes read the clock of one machine, and the orders table rounds to milliseconds.
EXACT_SECONDS = 0.010


class Check(BaseModel):
    """One check and what it saw. A check that does not apply to a run is left out, never counted as passed.

    A finding says something about the shop: when it is not ok, the run's figures are true all the same.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    ok: bool
    detail: str
    is_finding: bool = False

    @property
    def holds(self) -> bool:
        """Whether the run is possible as far as this check can tell."""
        return self.ok or self.is_finding


def make_check(name: str, title: str, detail: str, *, ok: bool) -> Check:
    """A check with its result."""
    return Check(name=name, title=title, ok=ok, detail=detail)


def shown(ids: Sequence[str]) -> str:
    """The first three, and how many more there are."""
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""  # noqa: PLR2004  # three examples
    return ", ".join(ids[:3]) + more
