"""The function: one event loop and one set of clients for as long as its environment lives."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from lambda_handler.cold_start import seconds_since_process_start
from lambda_handler.consumer import BatchConsumer
from lambda_handler.json_log import JsonLog
from lambda_handler.record_outcomes import Invocation, RecordOutcome
from lambda_handler.records import QueueRecord, Record, TopicRecord, read_records


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

    The clients are opened with the object, that is while Lambda initialises the environment, and live on in the
    same event loop between events. What must differ from one environment to the next, the state of `random` and
    the consumer with its name as an owner, is made when an environment begins: at its restore or its first event.
    Under SnapStart one initialisation is the memory of many environments.
    """

    def __init__(
        self,
        opened: AbstractAsyncContextManager[Callable[[], BatchConsumer]],
        *,
        log: JsonLog,
        from_snapshot: bool = False,
    ) -> None:
        """Open the clients.

        Args:
            opened: Opens the clients and yields what makes a consumer of them; it makes no connection.
            log: Gets the cold start.
            from_snapshot: Whether environments are restored from a snapshot of this object: how long it took to
                make it is then no environment's cold start.
        """
        self._runner = asyncio.Runner()
        self._opened = opened
        self._make_consumer = self._runner.run(_enter(opened))
        self._consumer: BatchConsumer | None = None
        self._log = log
        self._cold_start_told = False
        self._init_seconds: float | None = None if from_snapshot else seconds_since_process_start()

    def __call__(self, event: object, context: Context) -> dict[str, list[dict[str, str]]] | None:
        """Settle the event's orders.

        Returns:
            For a queue, the messages that must come back (`batchItemFailures`); for a topic nothing.

        Raises:
            RecordFailedError: A topic's order was not settled.
            UnknownEventError: The event comes from elsewhere.
        """
        consumer = self._consumer or self._begin()
        self._log_cold_start(context)
        records = read_records(event)
        invocation = Invocation(
            time_left=timedelta(milliseconds=context.get_remaining_time_in_millis()),
            request_id=context.aws_request_id,
        )
        outcomes = self._runner.run(consumer.consume(records, invocation))
        return _answer(records, outcomes)

    def restored(self) -> None:
        """Begin as an environment of its own, after a restore from a snapshot; Lambda's runtime calls it."""
        started = time.monotonic()
        self._begin()
        self._init_seconds = time.monotonic() - started

    def close(self) -> None:
        """Close the clients and the loop."""
        self._runner.run(_leave(self._opened))
        self._runner.close()

    def _log_cold_start(self, context: Context) -> None:
        if self._cold_start_told:
            return
        self._cold_start_told = True
        seconds = None if self._init_seconds is None else round(self._init_seconds, 4)
        self._log.write("cold_start", init_seconds=seconds, request_id=context.aws_request_id)

    def _begin(self) -> BatchConsumer:
        random.seed()
        self._consumer = self._make_consumer()
        return self._consumer


def _answer(records: Sequence[Record], outcomes: Sequence[RecordOutcome]) -> dict[str, list[dict[str, str]]] | None:
    failed: list[dict[str, str]] = []
    for record, outcome in zip(records, outcomes, strict=True):
        if isinstance(record, TopicRecord) and not outcome.done:
            raise RecordFailedError(f"{outcome.order_id or 'poison'}: {outcome.outcome}") from outcome.error
        if isinstance(record, QueueRecord) and not outcome.done:
            failed.append({"itemIdentifier": record.message_id})
    return {"batchItemFailures": failed} if any(isinstance(record, QueueRecord) for record in records) else None


async def _enter(opened: AbstractAsyncContextManager[Callable[[], BatchConsumer]]) -> Callable[[], BatchConsumer]:
    return await opened.__aenter__()


async def _leave(opened: AbstractAsyncContextManager[Callable[[], BatchConsumer]]) -> None:
    await opened.__aexit__(None, None, None)
