"""The live progress of an experiment: one line per running scenario on a terminal, in a log now and then."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from load.run.scenario_run import Moment

# Counts change once a second, with the samples: two of them, and some room for a late one.
RATE_WINDOW_SECONDS = 2.5
# In a log, what a run leaves behind is enough; a silence longer than this would look like a standstill.
LONGEST_SILENCE_SECONDS = 30.0
MINUTE = 60.0


class _Track:
    """The recent past of one scenario, for its rates: one moment per sample."""

    def __init__(self, first: Moment) -> None:
        self.past: deque[Moment] = deque([first])

    def add(self, moment: Moment) -> None:
        if self.past[-1].at == moment.at:
            self.past.pop()
        self.past.append(moment)
        while moment.at - self.past[0].at > RATE_WINDOW_SECONDS:
            self.past.popleft()

    def rate(self, name: str) -> float:
        first, last = self.past[0], self.past[-1]
        seconds = last.at - first.at
        change: int = getattr(last, name) - getattr(first, name)
        return max(0.0, change / seconds) if seconds > 0 else 0.0

    def line(self) -> str:
        moment = self.past[-1]
        if moment.stage in {"starting", "collecting"}:
            return f"{moment.scenario.name:<18} {moment.stage} …"
        return (
            f"{moment.scenario.name:<18} {moment.stage:<8} {moment.elapsed_seconds:4.0f} s"
            f"   accepted {self.rate('accepted'):5.1f}/s   completed {self.rate('completed'):5.1f}/s"
            f"   backlog {moment.backlog:5d}"
        )


class Progress:
    """Shows moments as they come. Use it as a context manager."""

    def __init__(self, console: Console, *, expected: Sequence[Mapping[str, float]] = ()) -> None:
        """Write to `console`; a live display only on a terminal.

        `expected` are the seconds of every run by name, group by group: with them it says how far all is.
        """
        self._expected = expected
        self._ended: set[str] = set()
        self._console = console
        self._tracks: dict[str, _Track] = {}
        self._said_at = time.monotonic()
        self._live = Live(console=console, refresh_per_second=5, transient=True) if console.is_terminal else None

    def __call__(self, moment: Moment) -> None:
        """Show where a run is."""
        self._tracks.setdefault(moment.scenario.name, _Track(moment)).add(moment)
        if self._live is not None:
            self._live.update(self._lines())
        elif time.monotonic() - self._said_at >= LONGEST_SILENCE_SECONDS:
            self.say(self._lines().plain)

    def _lines(self) -> Text:
        return Text("\n".join(one.line() for one in self._tracks.values()), style="cyan")

    def finished(self, name: str, text: str) -> None:
        """Replace a scenario's progress by what came of it."""
        self._tracks.pop(name, None)
        if self._live is not None:
            self._live.update(self._lines())
        self._ended.add(name)
        self.say(text + self._position())

    def _position(self) -> str:
        """How many runs have ended, and how long the others will take."""
        names = {name for group in self._expected for name in group}
        left = sum(
            max((seconds for name, seconds in group.items() if name not in self._ended), default=0.0)
            for group in self._expected
        )
        if not names:
            return ""
        rest = f"{left / MINUTE:.0f} min" if left >= MINUTE else f"{left:.0f} s"
        return f"   ({len(self._ended & names)} of {len(names)}{f', about {rest} left' if left else ''})"

    def say(self, text: str) -> None:
        """Print a line above the progress."""
        self._said_at = time.monotonic()
        self._console.print(text, highlight=False, soft_wrap=True, markup=False)

    def __enter__(self) -> Self:
        """Start the display."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the display."""
        if self._live is not None:
            self._live.stop()
