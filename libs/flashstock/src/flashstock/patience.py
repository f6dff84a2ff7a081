"""How long a seller waits for what."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerPatience:
    """How long a seller waits.

    Attributes:
        linger: The first order of a journal page, for company.
        timeout: A commit or a withdrawal, at most.
        drain: Leaving the block, at most, for orders that are not over.
    """

    linger: timedelta = timedelta(milliseconds=5)
    timeout: timedelta = timedelta(seconds=2)
    drain: timedelta = timedelta(seconds=10)
