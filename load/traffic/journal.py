"""The load generators' journal: one JSON object per line, written while the load runs.

Lines: {"request": {…}} for every order, {"phase": name, "at": t} when a phase begins, {"user": n, "at": t} when a
shopper arrives, {"end": t} when the load is over. Times are epoch seconds.
"""

import json
from collections.abc import Mapping
from typing import Any, TextIO

ACCEPTED = frozenset({200, 202})


class Journal:
    """Writes one line per event at once, so that the laboratory can follow."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`, which is buffered by lines."""
        self._stream = stream

    def phase(self, name: str, at: float) -> None:
        """A phase begins."""
        self._write({"phase": name, "at": at})

    def user(self, number: int, at: float) -> None:
        """A shopper arrives."""
        self._write({"user": number, "at": at})

    def end(self, at: float) -> None:
        """The load is over."""
        self._write({"end": at})

    def request(
        self,
        order: Mapping[str, Any],
        *,
        times: tuple[float, float, float],
        status: int,
        answer: Mapping[str, Any],
        phase: str,
        think_seconds: float = 0.0,
        failure: str = "",
    ) -> None:
        """One order and what came of it; `times` are due, sent and done, `failure` why there was no answer."""
        accepted = status in ACCEPTED
        due, sent, done = times
        items = order["items"]
        self._write(
            {
                "request": {
                    "due": due,
                    "sent": sent,
                    "done": done,
                    "status": status,
                    "order_id": str(answer.get("order_id", "")),
                    "order_status": str(answer.get("status", "")) if accepted else "",
                    "phase": phase,
                    "user": order["customer_id"],
                    "think_seconds": think_seconds,
                    "reason": "" if accepted else str(failure or answer.get("title") or status),
                    "product": items[0]["product_id"] if len(items) == 1 else "",
                    "problem": "" if accepted else str(answer.get("type", "")),
                }
            }
        )

    def _write(self, entry: Mapping[str, object]) -> None:
        self._stream.write(json.dumps(entry, separators=(",", ":")) + "\n")
