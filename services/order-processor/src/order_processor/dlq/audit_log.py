"""A record of what an operator changed or threw away: one JSON line each, written before it is done."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flashpay import utc_now
from order_processor.dlq.letters import Letter


@dataclass(frozen=True, kw_only=True)
class Author:
    """Who acts, and why."""

    by: str
    why: str


@dataclass(frozen=True, kw_only=True)
class AuditLog:
    """A file that is only appended to. With it, what was discarded or replaced can be brought back by hand."""

    path: Path
    clock: Callable[[], datetime] = utc_now

    def write(self, action: str, letter: Letter, author: Author, *, new_body: str | None = None) -> None:
        """Write a line and wait until the disk has it; raises OSError."""
        line = {
            "at": self.clock().isoformat(),
            "action": action,
            "by": author.by,
            "why": author.why,
            "queue": letter.queue,
            "message_id": letter.message_id,
            "reason": letter.reason,
            "detail": letter.detail,
            "attributes": dict(letter.attributes),
            "body": letter.body,
        }
        if new_body is not None:
            line["new_body"] = new_body
        with self.path.open("a", encoding="ascii") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())
