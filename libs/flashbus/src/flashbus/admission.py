"""How much may be taken now; who knows of an outage says so here."""

from typing import Protocol


class Admission(Protocol):
    """Asked before every receive."""

    def allowance(self, wanted: int) -> int:
        """How many messages may be taken now, from 0 to `wanted`."""
        ...

    async def until_allowance(self) -> None:
        """Wait until `allowance` is not 0. One that does not return at the stop is cut short with the drain."""
        ...


class AdmitAll:
    """No limit beside the slots."""

    def allowance(self, wanted: int) -> int:
        """All that are wanted."""
        return wanted

    async def until_allowance(self) -> None:
        """Return at once."""
