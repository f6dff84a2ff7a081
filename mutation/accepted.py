"""The survivors that are accepted, each with its reason."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from mutation.mutants import Mutant

ACCEPTED = Path(__file__).with_name("accepted.toml")
_KEYS = {"file", "scope", "before", "after", "reason"}


class AcceptedError(ValueError):
    """The list of accepted survivors cannot be read."""


@dataclass(frozen=True, kw_only=True)
class AcceptedSurvivors:
    """Looked up by what a mutant changes and in which function, so that moved lines do not matter."""

    reasons: dict[tuple[str, str, str, str], str]

    def reason(self, mutant: Mutant) -> str | None:
        """Why this mutant may survive; None if it may not."""
        return self.reasons.get((mutant.path.as_posix(), mutant.scope, mutant.before, mutant.after))


def read_accepted(text: str) -> AcceptedSurvivors:
    """Read the list.

    Raises:
        AcceptedError: An entry lacks a key, has one too many, has an empty reason, or stands twice.
    """
    reasons: dict[tuple[str, str, str, str], str] = {}
    for number, entry in enumerate(tomllib.loads(text).get("survivor", []), start=1):
        if entry.keys() != _KEYS:
            raise AcceptedError(f"survivor {number}: its keys are {sorted(entry)}, wanted are {sorted(_KEYS)}")
        if not entry["reason"].strip():
            raise AcceptedError(f"survivor {number}: the reason is empty")
        key = (entry["file"], entry["scope"], entry["before"].strip(), entry["after"].strip())
        if key in reasons:
            raise AcceptedError(f"survivor {number}: {entry['file']} {entry['scope']} stands twice")
        reasons[key] = entry["reason"]
    return AcceptedSurvivors(reasons=reasons)
