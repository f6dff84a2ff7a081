"""What a command does with each dead letter that it comes upon."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from flashbus.queue import Message, QueueUnavailableError
from order_processor.dlq import reports
from order_processor.dlq.actions import REDRIVEN_IN, Action, NotDoneError, Preview
from order_processor.dlq.letters import Letter
from order_processor.dlq.walk import Walk

Print: TypeAlias = Callable[[str], object]


class Visit(Protocol):
    """Is told of every letter that was selected, and speaks at the end."""

    failed: int

    async def visit(self, letter: Letter, message: Message, walk: Walk) -> None:
        """Do what is to be done with one letter."""
        ...

    def end(self) -> None:
        """Say how it went."""
        ...


@dataclass(kw_only=True)
class Listing:
    """Prints a line for each letter, and what they come to."""

    say: Print
    now: datetime
    failed: int = 0
    _summary: reports.Summary = field(default_factory=reports.Summary)

    async def visit(self, letter: Letter, message: Message, walk: Walk) -> None:  # noqa: ARG002 - the protocol's
        """See `Visit`."""
        if not self._summary.reasons:
            self.say(reports.header())
        self._summary.add(letter, now=self.now)
        self.say(reports.line(letter, now=self.now))

    def end(self) -> None:
        """See `Visit`."""
        self.say(self._summary.text())


@dataclass(kw_only=True)
class Showing:
    """Prints the whole of each letter."""

    say: Print
    now: datetime
    failed: int = 0
    _shown: int = 0

    async def visit(self, letter: Letter, message: Message, walk: Walk) -> None:  # noqa: ARG002 - the protocol's
        """See `Visit`."""
        if self._shown:
            self.say("")
        self._shown += 1
        self.say(reports.whole(letter, now=self.now))

    def end(self) -> None:
        """See `Visit`."""
        if not self._shown:
            self.say("no dead letter is meant by this")


@dataclass(kw_only=True)
class Acting:
    """Does something to each letter, at a bounded pace; with `action` None it only says what it would do.

    Attributes:
        action: What is done.
        doing: The same in words, "redriven".
        pause: From one letter to the next.
        started: Letters that came later are left to the next run.
        run: Names this run: what comes back with it has failed again, and must not be sent round and round.
        stop: Ends a pause.
        say: Prints a line.
        preview: What more a dry run says of a letter.
    """

    action: Action | None
    doing: str
    pause: timedelta
    started: datetime
    run: str
    stop: asyncio.Event
    say: Print
    preview: Preview | None = None
    done: int = 0
    failed: int = 0
    left: int = 0

    async def visit(self, letter: Letter, message: Message, walk: Walk) -> None:
        """See `Visit`."""
        if self._came_later(letter):
            self.left += 1
            return
        if self.action is None:
            await self._foretell(letter)
            return
        try:
            await self.action(letter, message, walk)
        except (NotDoneError, QueueUnavailableError) as exc:
            self.failed += 1
            self.say(f"{letter.message_id}: not {self.doing}: {exc}")
        else:
            self.done += 1
            self.say(f"{letter.message_id}: {self.doing}")
        await self._rest()

    def end(self) -> None:
        """See `Visit`."""
        # Told of: SQS dates the letters, and a clock of ours that is slow makes all of the last minutes later.
        left = f"; {self.left} left, which came after this began, by this machine's clock" if self.left else ""
        if self.action is None:
            failed = f", {self.failed} would not" if self.failed else ""
            self.say(f"dry run: {self.done} would be {self.doing}{failed}{left}")
        else:
            self.say(f"{self.done} {self.doing}, {self.failed} failed{left}")

    async def _foretell(self, letter: Letter) -> None:
        self.say(reports.line(letter, now=self.started))
        try:
            more = "" if self.preview is None else await self.preview(letter)
        except NotDoneError as exc:
            self.failed += 1
            self.say(f"{letter.message_id}: would not be {self.doing}: {exc}")
            return
        self.done += 1
        if more:
            self.say(f"{letter.message_id}: {more}")

    def _came_later(self, letter: Letter) -> bool:
        ours = letter.attributes.get(REDRIVEN_IN) == self.run
        return ours or (letter.sent_at is not None and letter.sent_at > self.started)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self.pause.total_seconds()):
                await self.stop.wait()
        except TimeoutError:
            return
