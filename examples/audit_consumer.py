"""A subscriber of the outcomes: what was paid for each product.

`QUEUE_URL=… DEAD_LETTER_QUEUE_URL=… python -m examples.audit_consumer audit.sqlite3` counts until SIGTERM or SIGINT,
then prints the revenue. Its queue is its own, subscribed to the topic that says how orders ended.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from flashbus.clients import aws_client
from flashbus.consumer import Consumer, ConsumerLimits
from flashbus.dispositions import Acknowledge, DeadLetter, Disposition
from flashbus.queue import Message
from flashbus.sqs import SqsQueue
from flashmsg import EndedOrder, FlashmsgError, decode_outcome

# An event may come twice, late, and in another process: the key counts each order once, and its latest end stands.
_SCHEMA = """CREATE TABLE IF NOT EXISTS sold (
    order_id TEXT, product_id TEXT, currency TEXT, total_minor INTEGER, status TEXT, attempt INTEGER, stage INTEGER,
    PRIMARY KEY (order_id, product_id))"""
_ENTER = """INSERT INTO sold VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET status = excluded.status, attempt = excluded.attempt, stage = excluded.stage
    WHERE (excluded.attempt, excluded.stage) > (sold.attempt, sold.stage)"""
_REVENUE = """SELECT product_id || ' ' || currency, SUM(total_minor) FROM sold
    WHERE status = 'completed' GROUP BY 1 ORDER BY 1"""


class SalesBook:
    """How orders ended, in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with closing(sqlite3.connect(path)) as file:
            file.execute(_SCHEMA)

    def enter(self, order: EndedOrder) -> None:
        """Write an order down, once and for all of its lines; it is on the disk when this returns."""
        end = (order.status.value, *order.sequence)
        rows = [(order.order_id, line.product_id, order.currency, line.total_minor, *end) for line in order.items]
        with closing(sqlite3.connect(self._path)) as file, file:
            file.executemany(_ENTER, rows)

    def revenue(self) -> Mapping[str, int]:
        """What is paid and not given back, by product and currency, such as `pen EUR`; in minor units."""
        with closing(sqlite3.connect(self._path)) as file:
            return dict(file.execute(_REVENUE).fetchall())


async def consume(book: SalesBook, stop: asyncio.Event) -> None:
    """Enter the outcomes of the queue until the stop, then finish what is in flight."""

    async def handle(message: Message) -> Disposition:
        try:
            event = decode_outcome(message.body)
        except FlashmsgError as exc:  # trying again cures none of them
            return DeadLetter(reason=exc.reason, detail=str(exc))
        await asyncio.to_thread(book.enter, event.data)  # if it raises, the message is delivered again, later
        return Acknowledge()

    async with aws_client("sqs", read_timeout=timedelta(seconds=10)) as sqs:
        queue = SqsQueue(url=os.environ["QUEUE_URL"], client=sqs)
        dead_letters = SqsQueue(url=os.environ["DEAD_LETTER_QUEUE_URL"], client=sqs)
        limits = ConsumerLimits(slots=10, wait=timedelta(seconds=4))
        await Consumer(queue=queue, dead_letters=dead_letters, handler=handle, stop=stop, limits=limits).run()


async def main(path: str) -> None:
    """Count until told to stop, and print the revenue."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    book = SalesBook(Path(path))
    await consume(book, stop)
    sys.stdout.write(f"{json.dumps(book.revenue())}\n")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
