"""A consumer on fakes, for tests."""

import asyncio
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from flashmsg import Order, OrderPlaced, encode
from flashpay import Announcer, Gateway, Settler
from flashpay.testing import FakeGateway, MemoryLedger
from lambda_handler.consumer import BatchConsumer
from lambda_handler.json_log import JsonLog
from lambda_handler.record_outcomes import Invocation, RecordOutcome
from lambda_handler.record_settler import RecordSettler, Settles
from lambda_handler.records import QueueRecord, Record, TopicRecord

PLENTY = Invocation(time_left=timedelta(seconds=30), request_id="r1")
MAX_RECEIVES = 5


@dataclass(kw_only=True)
class FakeDeadLetters:
    """Keeps what is sent: body and reason, and the details in the same sequence."""

    kept: list[tuple[str, str]] = field(default_factory=list)
    details: list[str] = field(default_factory=list)

    async def send(self, record: QueueRecord, *, reason: str, detail: str) -> None:
        """See `DeadLetters.send`."""
        if not detail:
            raise ValueError("a dead letter says what went wrong")
        self.kept.append((record.body, reason))
        self.details.append(detail)


@dataclass(kw_only=True)
class Bench:
    """A consumer on fakes.

    Attributes:
        sleeps: Whether pauses take their time; if not they are only noted in `pauses`.
        jitter: What is drawn for every pause.
        letters: Body and reason of each dead letter.
        log: What was written, line by line.
    """

    gateway: FakeGateway = field(default_factory=FakeGateway)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    dead_letters: FakeDeadLetters | None = field(default_factory=FakeDeadLetters)
    announcer: Announcer | None = None
    sleeps: bool = True
    jitter: float = 0.0
    pauses: list[float] = field(default_factory=list)
    stream: io.StringIO = field(default_factory=io.StringIO)

    def settler(self, *, payment_timeout: float = 1, gateway: Gateway | None = None) -> Settler:
        """A settler on the fakes."""
        timeout = timedelta(seconds=payment_timeout)
        return Settler(
            ledger=self.ledger,
            gateway=gateway or self.gateway,
            announcer=self.announcer,
            owner="function",
            lease=timeout + timedelta(seconds=20),
            payment_timeout=timeout,
        )

    def consumer(
        self, *, payment_timeout: float = 1, gateway: Gateway | None = None, settler: Settles | None = None
    ) -> BatchConsumer:
        """The consumer under test."""
        record_settler = RecordSettler(
            settler=settler or self.settler(payment_timeout=payment_timeout, gateway=gateway),
            dead_letters=self.dead_letters,
            max_receives=MAX_RECEIVES,
            payment_timeout=timedelta(seconds=payment_timeout),
            jitter=lambda: self.jitter,
            sleep=self.sleep,
        )
        return BatchConsumer(record_settler=record_settler, announcer=self.announcer, log=JsonLog(self.stream))

    async def sleep(self, seconds: float) -> None:
        """Note a pause."""
        self.pauses.append(seconds)
        await asyncio.sleep(seconds if self.sleeps else 0)

    @property
    def letters(self) -> list[tuple[str, str]]:
        """Body and reason of each dead letter."""
        return [] if self.dead_letters is None else self.dead_letters.kept

    @property
    def log(self) -> list[Mapping[str, object]]:
        """What was written, line by line."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def message(order: Order, *, receive_count: int = 1) -> QueueRecord:
    """A message of the queue."""
    body = encode(OrderPlaced.of(order))
    return QueueRecord(message_id=order.order_id, receive_count=receive_count, record={"body": body})


def notification(text: str) -> TopicRecord:
    """An event of the topic."""
    return TopicRecord(record={"EventSource": "aws:sns", "Sns": {"Message": text}})


async def consume(
    bench: Bench, *records: Record, within: Invocation = PLENTY, **knobs: float
) -> Sequence[RecordOutcome]:
    """Consume records with a consumer of this bench."""
    return await bench.consumer(**knobs).consume(records, within)  # type: ignore[arg-type]  # floats only here
