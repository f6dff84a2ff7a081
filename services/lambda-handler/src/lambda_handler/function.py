"""The function: one event loop and one set of clients for as long as its environment lives."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from lambda_handler.cold_start import seconds_since_process_start
from lambda_handler.consumer import Consumer
from lambda_handler.journal import Journal
from lambda_handler.records import QueueRecord, Record, TopicRecord, read_records
from lambda_handler.verdicts import Invocation, Verdict


class Context(Protocol):
    """What Lambda tells an invocation, as far as it is used here."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the environment is stopped."""
        ...


class RecordFailedError(Exception):
    """An order from the topic was not settled: Lambda retries the event, then sends it to the destination."""


class Function:
    """What Lambda calls, once per event and never twice at once.

    The consumer is opened with the object, that is while Lambda initialises the environment, and lives on in the
    same event loop between events.
    """

    def __init__(self, opened: AbstractAsyncContextManager[Consumer], *, journal: Journal) -> None:
        self._runner = asyncio.Runner()
        self._opened = opened
        self._consumer = self._runner.run(_enter(opened))
        self._journal = journal
        self._init_seconds: float | None = seconds_since_process_start()

    def __call__(self, event: object, context: Context) -> dict[str, list[dict[str, str]]] | None:
        """Settle the event's orders.

        Returns:
            For a queue, the messages that must come back (`batchItemFailures`); for a topic nothing.

        Raises:
            RecordFailedError: A topic's order was not settled.
            UnknownEventError: The event comes from elsewhere.
        """
        self._log_cold_start(context)
        records = read_records(event)
        invocation = Invocation(
            time_left=timedelta(milliseconds=context.get_remaining_time_in_millis()),
            request_id=context.aws_request_id,
        )
        verdicts = self._runner.run(self._consumer.consume(records, invocation)) if records else []
        return _answer(records, verdicts)

    def close(self) -> None:
        """Close the clients and the loop."""
        self._runner.run(_leave(self._opened))
        self._runner.close()

    def _log_cold_start(self, context: Context) -> None:
        if self._init_seconds is None:
            return
        seconds, self._init_seconds = self._init_seconds, None
        self._journal.write("cold_start", init_seconds=round(seconds, 4), request_id=context.aws_request_id)


def _answer(records: Sequence[Record], verdicts: Sequence[Verdict]) -> dict[str, list[dict[str, str]]] | None:
    failed: list[dict[str, str]] = []
    for record, verdict in zip(records, verdicts, strict=True):
        if isinstance(record, TopicRecord) and not verdict.done:
            raise RecordFailedError(f"{verdict.order_id or 'poison'}: {verdict.outcome}") from verdict.error
        if isinstance(record, QueueRecord) and not verdict.done:
            failed.append({"itemIdentifier": record.message_id})
    return {"batchItemFailures": failed} if any(isinstance(record, QueueRecord) for record in records) else None


async def _enter(opened: AbstractAsyncContextManager[Consumer]) -> Consumer:
    return await opened.__aenter__()


async def _leave(opened: AbstractAsyncContextManager[Consumer]) -> None:
    await opened.__aexit__(None, None, None)
