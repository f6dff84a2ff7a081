"""Lines that are written by a thread of their own: whoever writes one never waits for it and never fails by it."""

import os
import queue
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

# Some ten thousand lines; a stall that lasts longer loses the newest ones.
CAPACITY_BYTES = 4 * 1024 * 1024
# Lines of one moment leave in one write: a thread that takes the interpreter's lock for each costs the loop its time.
_LINGER_SECONDS = 0.01
# A pipe takes this much in one piece, so lines of several processes on one pipe never mix.
_ONE_PIECE_BYTES = select.PIPE_BUF
_BUSY_PAUSE_SECONDS = 0.05


class LineWriter:
    """Keeps lines in a bounded buffer and has one background thread write them in sequence.

    A full buffer drops the newest line, a failing write drops what it held; both are counted. A line that was cut
    by a failing write is finished by the next one that succeeds. After a fork the child begins with an empty
    buffer and a thread of its own: what was waiting is the parent's to write.
    """

    def __init__(
        self,
        *,
        sink: Callable[[bytes], int],
        on_recovery: Callable[[int], object] | None = None,
        capacity_bytes: int = CAPACITY_BYTES,
    ) -> None:
        """Start the thread.

        Args:
            sink: Writes bytes and returns how many it took; may block, raises OSError when it fails.
            on_recovery: Told, in the thread, how many lines were lost once what waited has left again.
            capacity_bytes: The most that waits.
        """
        self._sink = sink
        self._on_recovery = on_recovery
        self._capacity = capacity_bytes
        self._dropped = 0
        self._begin()

    @property
    def dropped(self) -> int:
        """How many lines were lost so far."""
        return self._dropped

    def write(self, line: bytes) -> None:
        """Have one or more whole lines written; returns at once. They end with a newline."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            if self._ended or self._size + len(line) > self._capacity:
                self._lose(line.count(b"\n"))
                return
            self._lines.append(line)
            self._size += len(line)
            first = len(self._lines) == 1
        if first:
            self._wake.put(None)

    def close(self, *, timeout_seconds: float) -> None:
        """Write what waits, for at most so long; what is written later is dropped."""
        if os.getpid() != self._pid:
            return
        self._closing = True
        self._wake.put(None)
        self._thread.join(timeout_seconds)
        self._ended = True

    def _begin(self) -> None:
        self._pid = os.getpid()
        # Reentrant, as is the queue: the garbage collector may run a destructor that logs while a line is written.
        self._lock = threading.RLock()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._untold = 0
        self._torn = b""
        self._closing = self._ended = False
        # A daemon: a write that never returns must not hold the process up.
        self._thread: threading.Thread = threading.Thread(target=self._run, name="line writer", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads: lines are dropped, and counted
            self._ended = True

    def _run(self) -> None:
        more = False
        while True:
            if not more:
                self._wake.get()
            if self._closing:
                while self._lines:
                    self._drain()
                return
            time.sleep(_LINGER_SECONDS)
            more = self._drain()

    def _drain(self) -> bool:
        """Write what waits now; whether more came before the last of it left: that lingers too, and wakes nobody."""
        left, lost = len(self._lines), self._untold
        went = more = False
        while left:
            lines, more = self._next_lines(left)
            left -= len(lines)
            went = self._send(b"".join(lines))
        # Told once all is through: under a reader who is merely slow there is no end of losses to tell of.
        if went and self._untold and (self._untold == lost or not self._lines):
            self._tell()
        return more

    def _next_lines(self, most: int) -> tuple[list[bytes], bool]:
        """So many of the lines as fit one piece, and whether some are left."""
        with self._lock:
            taken: list[bytes] = []
            size = 0
            while len(taken) < most and (not taken or size + len(self._lines[0]) <= _ONE_PIECE_BYTES):
                taken.append(self._lines.popleft())
                size += len(taken[-1])
            self._size -= size
            return taken, bool(self._lines)

    def _send(self, piece: bytes) -> bool:
        whole = self._torn + piece
        done = 0
        while done < len(whole):
            try:
                done += self._sink(whole[done:])
            except BlockingIOError:
                # Somebody made the pipe non-blocking and it is full: a stall like any other.
                time.sleep(_BUSY_PAUSE_SECONDS)
            except Exception:  # noqa: BLE001 - an OSError it is; but any other would end this thread, and all lines with it
                self._give_up(whole, done)
                return False
        self._torn = b""
        return True

    def _give_up(self, whole: bytes, done: int) -> None:
        cut = whole[done - 1 : done] != b"\n" if done else bool(self._torn)
        end_of_line = whole.index(b"\n", done) + 1 if cut else done
        self._torn = whole[done:end_of_line]
        with self._lock:
            self._lose(whole.count(b"\n", end_of_line))

    def _lose(self, lines: int) -> None:
        self._dropped += lines
        self._untold += lines

    def _tell(self) -> None:
        with self._lock:
            lost, self._untold = self._untold, 0
        if self._on_recovery is not None:
            with suppress(Exception):  # as above
                self._on_recovery(lost)
