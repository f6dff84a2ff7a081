"""What happened to one simulated order."""

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["open", "completed", "accepted", "rejected"]


@dataclass(slots=True, eq=False)
class SimulatedOrder:
    """Moments in seconds since the phase began; None = it never happened.

    outcome: completed = 200 with the terminal order, accepted = 202,
    rejected = 503 (it may be settled all the same, later), open = never answered.
    `charged_at` is when its one charge ends, wanted or not. `user` is who sent it, the first of them 1.
    """

    user: int
    sent_at: float
    answered_at: float | None = None
    outcome: Outcome = "open"
    charged_at: float | None = None
    settled_at: float | None = None

    def settle(self, moment: float) -> None:
        """Terminal from now on; whoever comes second finds it so."""
        if self.settled_at is None:
            self.settled_at = moment

    @property
    def queued(self) -> bool:
        return self.outcome == "accepted"
