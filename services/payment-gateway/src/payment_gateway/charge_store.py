"""The record of every charge: one SQLite file, written before any answer leaves.

Each write is one transaction of a few rows, made on the event loop: about a tenth of a millisecond, no more than
handing it to a thread and back, and it keeps file and memory in step without a lock. The write-ahead log is not
forced to the disk at each commit (`synchronous=NORMAL`): a commit outlives the process, kill -9 included,
but the last ones may not outlive a power cut.
"""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from payment_gateway.charges import Charge, ChargeRequest, ChargeStatus, RefundRequest, Totals
from payment_gateway.errors import ChargeStoreError, KeyReusedError

_VERSION = 1
_LOCK_WAIT_SECONDS = 3.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS attempts (
    idempotency_key TEXT PRIMARY KEY,
    content TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 1,
    replays INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS charges (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    idempotency_key TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    charge_id TEXT UNIQUE,
    reason TEXT,
    order_id TEXT NOT NULL,
    amount_minor INTEGER NOT NULL,
    currency TEXT NOT NULL,
    customer_id INTEGER NOT NULL,
    traceparent TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS charges_by_order ON charges (status, order_id);
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_CHARGE = """
SELECT id, idempotency_key, status, charge_id, reason, order_id, amount_minor, currency, customer_id, traceparent,
       started_at, finished_at, attempts
FROM charges JOIN attempts USING (idempotency_key)
"""
_TOTALS = """
SELECT (SELECT count(*) FROM charges WHERE status = 'succeeded') AS charges,
       (SELECT count(*) FROM charges WHERE status = 'declined') AS declined,
       (SELECT coalesce(sum(attempts), 0) FROM attempts) AS attempts,
       (SELECT coalesce(sum(replays), 0) FROM attempts) AS replays,
       (SELECT count(*) FROM charges WHERE status = 'refunded') AS refunds,
       (SELECT count(*) FROM (SELECT 1 FROM charges WHERE status = 'succeeded' GROUP BY order_id
                              HAVING count(*) > 1)) AS orders_charged_more_than_once,
       (SELECT count(*) FROM (SELECT 1 FROM charges WHERE status = 'refunded' GROUP BY order_id
                              HAVING count(*) > 1)) AS orders_refunded_more_than_once
"""
_OF_CHARGE = """
SELECT 1 FROM charges WHERE charge_id = :charge_id AND status = 'succeeded' AND order_id = :order_id
                        AND amount_minor = :amount_minor AND currency = :currency AND customer_id = :customer_id
"""
# The attempts first: which of them are meant is known by their charges. No key of a client's has a space.
_FORGET = (
    """
    UPDATE attempts SET idempotency_key = :past
    WHERE idempotency_key = (SELECT idempotency_key FROM charges WHERE idempotency_key = :key AND finished_at < :before)
    """,
    "UPDATE charges SET idempotency_key = :past WHERE idempotency_key = :key AND finished_at < :before",
)
_ATTEMPT = """
INSERT INTO attempts (idempotency_key, content) VALUES (?, ?)
ON CONFLICT (idempotency_key) DO UPDATE SET attempts = attempts + 1 WHERE content = excluded.content
"""


class ChargeStore:
    """Every attempt and every definite answer. It belongs to one process at a time and to one thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, and its folder.

        Raises:
            ChargeStoreError: It is no charge store, of another version, not writable, or in use by another process.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_LOCK_WAIT_SECONDS)
        except (OSError, sqlite3.Error) as exc:
            raise ChargeStoreError(f"cannot open {path}: {exc}") from exc
        try:
            self._prepare()
        except (ChargeStoreError, sqlite3.Error) as exc:
            self._db.close()
            raise ChargeStoreError(f"cannot use {path}: {exc}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Merge the write-ahead log into the file and close it."""
        self._db.close()

    def attempt(self, key: str, request: ChargeRequest) -> tuple[int, Charge | None]:
        """Count a request; returns its number among those with this key, and the definite answer if there is one.

        Raises:
            KeyReusedError: The key came with other content before; this request is not counted.
        """
        with self._wrapped():
            self._db.execute("BEGIN IMMEDIATE")
            if self._db.execute(_ATTEMPT, (key, request.model_dump_json())).rowcount == 0:
                raise KeyReusedError("The idempotency key was used for another charge")
            charge = self._charge(key)
            if charge is not None:
                self._db.execute("UPDATE attempts SET replays = replays + 1 WHERE idempotency_key = ?", (key,))
            number = self._db.execute("SELECT attempts FROM attempts WHERE idempotency_key = ?", (key,)).fetchone()[0]
            self._db.execute("COMMIT")
            return number, charge

    def answer(self, key: str) -> Charge | None:
        """The definite answer to a key, if there is one; a lookup is not counted as an attempt."""
        with self._wrapped():
            return self._charge(key)

    def forget(self, key: str, *, before: datetime) -> None:
        """Let a key that was answered before then be a new one; the answer stays, under a key that nobody can use."""
        values = {"key": key, "past": f"{key} {secrets.token_hex(8)}", "before": _microseconds(before)}
        with self._wrapped():
            self._db.execute("BEGIN IMMEDIATE")
            for update in _FORGET:
                self._db.execute(update, values)
            self._db.execute("COMMIT")

    def charged(self, refund: RefundRequest) -> bool:
        """Whether there is the charge that is to be paid back, of this very order and amount."""
        with self._wrapped():
            return self._db.execute(_OF_CHARGE, refund.model_dump()).fetchone() is not None

    def record(
        self,
        key: str,
        request: ChargeRequest,
        *,
        declined_because: str | None,
        traceparent: str | None,
        started_at: datetime,
    ) -> Charge:
        """Write a definite answer, for good. When this returns the answer is committed."""
        row = _row(key, request, declined_because=declined_because, traceparent=traceparent, started_at=started_at)
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        with self._wrapped():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(f"INSERT INTO charges ({names}) VALUES ({marks})", row)  # noqa: S608 - our own column names
            charge = self._charge(key)
            self._db.execute("COMMIT")
        if charge is None:
            raise ChargeStoreError("The charge cannot be read back")
        return charge

    def page(self, *, after: int, limit: int) -> list[Charge]:
        """Return at most `limit` charges that follow the one with id `after`, oldest first."""
        with self._wrapped():
            rows = self._db.execute(f"{_CHARGE} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
            return [_charge_of(row) for row in rows]

    def totals(self) -> Totals:
        """Count charges, declines, attempts and replays over the whole store."""
        with self._wrapped():
            return Totals(**dict(self._db.execute(_TOTALS).fetchone()))

    def _prepare(self) -> None:
        self._db.row_factory = sqlite3.Row
        # Two gateways on one file would each charge what the other has in flight: the second may not start.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _VERSION}:
            raise ChargeStoreError(f"it is a charge store of version {version}, this is version {_VERSION}")
        self._db.executescript(_SCHEMA)

    def _charge(self, key: str) -> Charge | None:
        row = self._db.execute(f"{_CHARGE} WHERE idempotency_key = ?", (key,)).fetchone()
        return None if row is None else _charge_of(row)

    @contextmanager
    def _wrapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise ChargeStoreError(f"The charge store cannot be used: {exc}") from exc
        finally:
            # A closed database raises here, and one that works has nothing left to roll back but our failures.
            with suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")


def _row(
    key: str, request: ChargeRequest, *, declined_because: str | None, traceparent: str | None, started_at: datetime
) -> dict[str, object]:
    status, kind = ChargeStatus.SUCCEEDED, "ch"
    if declined_because is not None:
        status = ChargeStatus.DECLINED
    elif isinstance(request, RefundRequest):
        status, kind = ChargeStatus.REFUNDED, "re"
    return {
        **request.model_dump(),
        "idempotency_key": key,
        "status": status,
        "charge_id": None if status is ChargeStatus.DECLINED else f"{kind}_{secrets.token_hex(12)}",
        "reason": declined_because,
        "traceparent": traceparent,
        "started_at": _microseconds(started_at),
        "finished_at": _microseconds(datetime.now(UTC)),
    }


def _charge_of(row: sqlite3.Row) -> Charge:
    fields: dict[str, Any] = dict(row)
    fields["status"] = ChargeStatus(fields["status"])
    for name in ("started_at", "finished_at"):
        fields[name] = _EPOCH + timedelta(microseconds=fields[name])
    return Charge(**fields)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
