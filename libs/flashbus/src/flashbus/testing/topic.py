"""A topic in memory for tests, held to the same contract tests as SNS."""

import asyncio
from collections.abc import Mapping, Sequence

from flashbus.topic import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES, Entry, Refusal, TopicError


class FakeTopic:
    """A topic in memory, held to the same contract tests as SNS.

    Attributes:
        published: Every entry taken, in sequence.
        calls: How many entries each call had.
        refuse: Bodies that contain a key of this are refused with its value; they were certainly not taken.
        down: While set, every call is refused as a whole, and nothing is taken.
        losing: While set, every call takes its entries and loses the answer.
        gate: Cleared, calls wait until it is set again; they have been counted by then.
        in_flight: Calls that have not been answered yet.
        peak_in_flight: The most of them at once.
    """

    def __init__(self) -> None:
        self.published: list[Entry] = []
        self.calls: list[int] = []
        self.refuse: dict[str, str] = {}
        self.down = False
        self.losing = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.in_flight = 0
        self.peak_in_flight = 0

    async def publish_batch(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        """See `Topic.publish_batch`; the limits of SNS hold here too."""
        self.calls.append(len(entries))
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        try:
            await self.gate.wait()
            return self._take(entries)
        finally:
            self.in_flight -= 1

    def _take(self, entries: Sequence[Entry]) -> Mapping[int, Refusal]:
        if self.down:
            raise TopicError("the fake topic is down", certain=True)
        if not 1 <= len(entries) <= MAX_BATCH_ENTRIES:
            raise TopicError(f"a batch of {len(entries)} entries", certain=True)
        if sum(entry.size_bytes for entry in entries) > MAX_BATCH_BYTES:
            raise TopicError("the batch is too long", certain=True)
        refused: dict[int, Refusal] = {}
        for index, entry in enumerate(entries):
            codes = [code for text, code in self.refuse.items() if text in entry.message]
            if codes:
                refused[index] = Refusal(codes[0], certain=True)
            else:
                self.published.append(entry)
        if self.losing:
            raise TopicError("the fake topic lost its answer", certain=False)
        return refused
