"""A topic of outcomes in memory: what was published, as a subscriber decodes it."""

import asyncio
from collections.abc import Mapping

from flashmsg import OrderOutcome, decode_outcome


class FakeOutcomes:
    """Publishes outcomes for tests.

    Attributes:
        published: Every outcome taken with its attributes, in sequence.
        down: While True nothing is taken, and the caller told so.
        gate: Cleared, publishing waits until it is set again.
    """

    def __init__(self) -> None:
        self.published: list[tuple[OrderOutcome, Mapping[str, str]]] = []
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def publish(self, body: str, attributes: Mapping[str, str]) -> None:
        """See `Publish`."""
        await self.gate.wait()
        if self.down:
            raise ConnectionError("the topic of outcomes is made unavailable by the test")
        self.published.append((decode_outcome(body), attributes))

    @property
    def told(self) -> list[str]:
        """The ends that were told, such as `completed`, in sequence."""
        return [outcome.data.status.value for outcome, _ in self.published]
