"""Reads the load generators' journal: while it is written, and as a whole."""

import json
from bisect import bisect_right, insort
from collections.abc import Iterator, Mapping
from pathlib import Path

from load.records import ACCEPTED_STATUSES, PhaseMark, Request
from load.scenario import Scenario


class JournalReader:
    """Follows a journal that is still being written."""

    def __init__(self, path: Path) -> None:
        """Read from the beginning of `path`, which need not exist yet."""
        self._path = path
        self._offset = 0
        self._accepted: list[float] = []
        self.requests = 0
        self.phase = ""
        self.began = 0.0
        self.is_over = False

    @property
    def accepted(self) -> int:
        """Orders answered 200 or 202."""
        return len(self._accepted)

    def accepted_until(self, moment: float) -> int:
        """Orders answered 200 or 202 by `moment`, as far as their lines have been read."""
        return bisect_right(self._accepted, moment)

    def poll(self) -> None:
        """Take in the whole lines that were added since."""
        if not self._path.exists():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            chunk = stream.read()
        whole = chunk.rfind(b"\n") + 1
        self._offset += whole
        for line in chunk[:whole].splitlines():
            self._take(json.loads(line))

    def _take(self, entry: Mapping[str, object]) -> None:
        match entry:
            case {"request": {"status": int(status), "done": float(done)}}:
                self.requests += 1
                if status in ACCEPTED_STATUSES:
                    insort(self._accepted, done)
            case {"phase": str(name), "at": float(at)}:
                self.phase = name
                self.began = self.began or at
            case {"end": _}:
                self.is_over = True


def _entries(path: Path) -> Iterator[dict[str, object]]:
    with path.open("rb") as stream:
        for line in stream:
            # A generator that was killed leaves half a line.
            if line.endswith(b"\n"):
                yield json.loads(line)


def read_journal(path: Path, scenario: Scenario) -> tuple[list[PhaseMark], list[Request]]:
    """The phases as they really were, and every request, in the order of sending."""
    requests: list[Request] = []
    starts: dict[str, float] = {}
    arrivals: list[float] = []
    end = 0.0
    for entry in _entries(path):
        match entry:
            case {"request": dict(fields)}:
                requests.append(Request(**fields))
            case {"phase": str(name), "at": float(at)}:
                starts.setdefault(name, at)
            case {"user": int(), "at": float(at)}:
                arrivals.append(at)
            case {"end": float(at)}:
                end = at
    requests.sort(key=lambda request: request.sent)
    end = end or max((request.done for request in requests), default=0.0)
    return _marks(scenario, starts, sorted(arrivals), end), requests


def _marks(scenario: Scenario, starts: Mapping[str, float], arrivals: list[float], end: float) -> list[PhaseMark]:
    begun = [phase for phase in scenario.phases if phase.name in starts]
    marks = []
    for index, phase in enumerate(begun):
        started = starts[phase.name]
        ended = starts[begun[index + 1].name] if index + 1 < len(begun) else end
        # Users stay from phase to phase, so the n-th arrival is the moment when n users were there.
        full = arrivals[phase.users - 1] if 0 < phase.users <= len(arrivals) else started
        marks.append(PhaseMark.of(phase, started=started, full=min(max(full, started), ended), ended=ended))
    return marks
