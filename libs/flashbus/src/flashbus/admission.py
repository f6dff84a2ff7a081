"""How much may be taken now; who knows of an outage says so here."""

from typing import Protocol


class Admission(Protocol):
    """Asked before every receive."""

    def allowance(self, wanted: int) -> int:
        """How many messages may be taken now, from 0 to `wanted`."""
        ...

    async def until_allowance(self) -> None:
        """Wait until `allowance` is not 0, or until `stop`. One that stays is cut short with the drain."""
        ...

    def stop(self) -> None:
        """Hold nobody any more: the consumer leaves. Called once or more often."""
        ...


class AdmitAll:
    """No limit beside the slots."""

    def allowance(self, wanted: int) -> int:
        """All that are wanted."""
        return wanted

    async def until_allowance(self) -> None:
        """Return at once."""

    def stop(self) -> None:
        """Nobody is held."""
